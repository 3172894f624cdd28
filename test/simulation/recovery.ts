import { SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import type { SimulatedBroker } from './cluster/broker.ts';
import type { Coordinators } from './cluster/coordinators.ts';
import type { Follower } from './cluster/follower.ts';
import type { TreeClient } from './cluster/tree-client.ts';
import type { Load } from './load.ts';
import type { Parts } from './parts.ts';
import type { Swarm } from './swarm.ts';

/** Late transactions are done by then, and connections that nobody answers are given up. */
const CALM_MS = 15_000;
/** Sessions that were spared once, registrations behind them, a refused one tried again, and a moment for each. */
const CONVERGED_MS = 2 * SESSION_TIMEOUT_MS + 10_000;
const LOOK_EVERY_MS = 250;

/**
 * The end of a run: faults stop, everything that was down comes back. Then all has to be well within a bound, one coordinator
 * active and the others standing by, and what was told has to be there.
 */
export class Recovery {
  readonly #parts: Parts<Swarm>;
  readonly #coordinators: Coordinators;
  readonly #brokers: readonly SimulatedBroker[];
  readonly #followers: readonly Follower[];
  readonly #treeClients: readonly TreeClient[];
  readonly #load: Load;
  #isProbed = false;

  constructor(
    parts: Parts<Swarm>,
    options: {
      readonly coordinators: Coordinators;
      readonly brokers: readonly SimulatedBroker[];
      readonly followers: readonly Follower[];
      readonly treeClients: readonly TreeClient[];
      readonly load: Load;
    },
  ) {
    this.#parts = parts;
    this.#coordinators = options.coordinators;
    this.#brokers = options.brokers;
    this.#followers = options.followers;
    this.#treeClients = options.treeClients;
    this.#load = options.load;
  }

  async run(failed: () => boolean): Promise<void> {
    const { ground, network, store, checks } = this.#parts;
    const { scheduler } = ground;
    ground.trace.note(scheduler.nowMs, 'everything heals');
    network.heal();
    store.heal();
    this.#bringBack();
    await scheduler.runUntil(scheduler.nowMs + CALM_MS, failed);
    this.#load.stop();
    for (const client of this.#treeClients) client.stop();
    this.#bringBack();
    const untilMs = scheduler.nowMs + CONVERGED_MS;
    void this.#probe();
    while (!failed() && this.#missing() !== undefined && scheduler.nowMs < untilMs) {
      await scheduler.runUntil(scheduler.nowMs + LOOK_EVERY_MS, failed);
    }
    const missing = this.#missing();
    if (missing !== undefined) ground.violated(`${CONVERGED_MS} ms after everything healed ${missing}`);
    for (const follower of this.#everyFollower()) follower.checkWhole();
    this.#coordinators.compare();
    checks.promises.kept();
  }

  #bringBack(): void {
    for (const seat of this.#coordinators.seats) {
      seat.running?.process.resume();
      this.#coordinators.start(seat);
    }
    for (const broker of this.#brokers) {
      if (broker.process === undefined) broker.start({ isOtherDirectory: false, doubtfulRate: 0 });
      broker.process?.resume();
    }
    for (const { process } of [...this.#followers, ...this.#treeClients]) process.resume();
  }

  async #probe(): Promise<void> {
    for (let i = 0; !this.#isProbed; i++) this.#isProbed = await this.#load.probe(`probe-${i}`);
  }

  #everyFollower(): Follower[] {
    return [...this.#followers, ...this.#brokers.flatMap(({ follower }) => follower ?? [])];
  }

  /** What is not well yet, or undefined. */
  #missing(): string | undefined {
    const { history, checks } = this.#parts;
    const problem = this.#coordinators.problem();
    if (problem !== undefined) return problem;
    if (!this.#isProbed) return 'no topic could be created';
    const active = history.activeBrokers();
    for (const { id, isRegistered, epoch } of this.#brokers) {
      if (!isRegistered) return `broker ${id} is not attached`;
      if (active.get(id) !== epoch) return `broker ${id} has the epoch ${epoch}, and the store ${active.get(id)}`;
    }
    for (const { process, session } of this.#everyFollower()) {
      if (!session.attached) return `${process.name} follows nobody`;
      const { revision } = session.image;
      const { metadataRevision } = checks.writes;
      if (revision < metadataRevision)
        return `${process.name} is at revision ${revision}, the metadata at ${metadataRevision}`;
    }
    const sessionIds = this.#treeClients.flatMap(({ sessionId }) => sessionId ?? []);
    return checks.tree.left(sessionIds) ?? this.#partitionsMissing(active);
  }

  #partitionsMissing(active: ReadonlyMap<number, number>): string | undefined {
    const { history } = this.#parts;
    for (const [topicId, index, { isr, elr, leader }] of history.partitions()) {
      for (const { broker, epoch } of isr as { broker: number; epoch: number }[]) {
        if (active.get(broker) !== epoch)
          return `broker ${broker} is in sync in ${topicId}-${index} with the old epoch ${epoch}`;
      }
      const isBack = ({ broker, directory }: { broker: number; directory: string }): boolean =>
        active.has(broker) && history.now(`/brokers/${broker}`)?.['directoryId'] === directory;
      if (leader === -1 && elr.some(isBack)) return `${topicId}-${index} has an eligible replica and no leader`;
    }
    return undefined;
  }
}
