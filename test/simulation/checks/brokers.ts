import type { Sometimes } from '../sometimes.ts';
import type { History, KeyWrite, Stored } from './history.ts';

/** The drain in a broker's value. */
interface Drain {
  readonly epoch: number;
  readonly isOn: boolean;
}

/**
 * What becomes of brokers' keys: registrations, drains of the registration that lives, and the end of one that nobody needs any
 * more. And what those were told who asked for it.
 */
export class BrokerChecks {
  readonly #history: History;
  readonly #sometimes: Sometimes;
  readonly #violated: (what: string) => void;

  constructor(options: {
    readonly history: History;
    readonly sometimes: Sometimes;
    readonly violated: (what: string) => void;
  }) {
    this.#history = options.history;
    this.#sometimes = options.sometimes;
    this.#violated = options.violated;
  }

  /** Looks at a write of a broker's key that the history has already. */
  written(id: number, { before, after }: KeyWrite): void {
    const { revision } = this.#history;
    if (after === undefined) return this.#gone(id, revision);
    const sessions = [...this.#history.under('/sessions/')].filter(([, { brokerId }]) => brokerId === id);
    if (sessions.length !== 1) this.#violated(`broker ${id} was written, and has ${sessions.length} sessions`);
    const epoch = this.#history.activeBrokers().get(id);
    if (epoch === revision) return this.#registered(id, { before, after });
    const drain = after['drain'] as Drain | undefined;
    if (drain?.epoch !== epoch) {
      this.#violated(`broker ${id} drains in the epoch ${drain?.epoch}, and is registered at ${epoch}`);
    }
    if (besidesDrain(before) !== besidesDrain(after)) this.#violated(`a drain changed broker ${id}`);
  }

  /** Somebody was told at a revision how far a drain is. */
  drained(id: number, { epoch, revision, ledCount }: { epoch: number; revision: number; ledCount: number }): void {
    const active = this.#history.activeBrokers(revision);
    // Its session may have ended before the answer was made.
    if (active.get(id) !== epoch) return;
    if (!this.#drains(id, revision)) this.#violated(`broker ${id} was told to drain at ${revision}, and does not`);
    let led = 0;
    for (const [topicId, index, { leader, isr }] of this.#history.partitions(revision)) {
      if (leader !== id) continue;
      led++;
      const other = (isr as { broker: number }[]).find(({ broker }) => !this.#drains(broker, revision));
      if (other === undefined) continue;
      this.#violated(`broker ${id} drains and leads ${topicId}-${index} at ${revision}, which ${other.broker} could`);
    }
    if (led !== ledCount) {
      this.#violated(`broker ${id} was told to lead ${ledCount} partitions at ${revision}, and led ${led}`);
    }
  }

  /** Somebody was told that a broker does not drain from a revision on. */
  undrained(id: number, { epoch, revision }: { epoch: number; revision: number }): void {
    if (this.#history.activeBrokers(revision).get(id) !== epoch || !this.#drains(id, revision)) return;
    this.#violated(`broker ${id} was told not to drain at ${revision}, and does`);
  }

  #registered(id: number, { before, after }: Pick<KeyWrite, 'before' | 'after'>): void {
    if (after?.['drain'] !== undefined) this.#violated(`broker ${id} registered, and drains`);
    if (before === undefined) return;
    const { revision } = this.#history;
    const had = this.#history.activeBrokers(revision - 1).has(id);
    if (had) this.#sometimes.saw('a living session was replaced by a registration');
    if (this.#drains(id, revision - 1)) this.#sometimes.saw('a drain ended with its registration');
    if (before['directoryId'] === after?.['directoryId']) return;
    this.#sometimes.saw('another directory took the place of a broker');
    if (had) this.#violated(`broker ${id} was replaced from another directory while it lived`);
  }

  #gone(id: number, revision: number): void {
    this.#sometimes.saw('a broker was unregistered');
    if (this.#history.activeBrokers(revision).has(id)) this.#violated(`broker ${id} was unregistered while it lived`);
    for (const [topicId, index, { replicas }] of this.#history.partitions(revision)) {
      if (!(replicas as number[]).includes(id)) continue;
      this.#violated(`broker ${id} was unregistered, and ${topicId}-${index} has a replica on it`);
    }
  }

  #drains(id: number, revision: number): boolean {
    const drain = this.#history.at(`/brokers/${id}`, revision)?.['drain'] as Drain | undefined;
    return drain?.isOn === true && this.#history.activeBrokers(revision).get(id) === drain.epoch;
  }
}

function besidesDrain(value: Stored | undefined): string {
  return JSON.stringify({ ...value, drain: undefined });
}
