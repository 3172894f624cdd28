import type { ErrorCode } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import type { RecordHistory, Send } from '../checks/record-history.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { clientProcess } from './client-world.ts';
import { keyFor, loadRecord } from './load-record.ts';
import type { BrokerSwarm } from './swarm.ts';
import type { LoadPartition } from './topics.ts';

/** Records that wait for their outcome, past which none is sent. */
const PENDING_MAX = 50;
/** A record that is not delivered by then never is, as far as its producer knows. */
const DELIVERY_MS = [3_000, 8_000, 20_000];
/** Refusals that the client gives without having sent anything. */
const NEVER_SENT: ReadonlySet<ErrorCode> = new Set(['MESSAGE_TOO_LARGE', 'UNKNOWN_TOPIC_OR_PARTITION']);

/** A process that sends records with the native client, which is idempotent: each with a value of its own, with acks=all. */
export class NativeProducer {
  readonly process: Process;
  readonly #parts: Parts<BrokerSwarm>;
  readonly #history: RecordHistory;
  readonly #partitions: readonly LoadPartition[];
  readonly #chance: Chance;
  readonly #keys: Chance;
  readonly #client: Client;
  /** What was sent and has no outcome. */
  readonly #pending = new Set<Send>();
  #operations = 0;
  #isStopped = false;

  constructor(
    name: string,
    parts: Parts<BrokerSwarm>,
    load: {
      readonly coordinators: readonly string[];
      readonly history: RecordHistory;
      readonly partitions: readonly LoadPartition[];
    },
  ) {
    this.#parts = parts;
    this.#history = load.history;
    this.#partitions = load.partitions;
    const { process, world } = clientProcess(name, parts);
    this.process = process;
    this.#chance = parts.chanceFor(`${name}'s load`);
    this.#keys = parts.chanceFor(`${name}'s keys`);
    const { lingerMs } = parts.swarm;
    const producer = { lingerMs, deliveryTimeoutMs: this.#chance.pick(DELIVERY_MS) };
    this.#client = new Client({ coordinators: load.coordinators, name, producer }, world);
    this.#next();
  }

  /** Records sent so far. */
  get operations(): number {
    return this.#operations;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Whether it waits for an outcome: its client gives up whatever takes too long. */
  unanswered(): string | undefined {
    return this.#pending.size > 0 ? `${this.process.name} waits for ${this.#pending.size} outcomes` : undefined;
  }

  #next(): void {
    const { operationMs } = this.#parts.swarm;
    this.process.clock.after(this.#chance.between(0, 2 * operationMs), () => {
      if (this.#isStopped) return;
      this.#next();
      if (this.#pending.size < PENDING_MAX) this.#send(this.#chance.pick(this.#partitions));
    });
  }

  #send({ topic, index, name }: LoadPartition): void {
    const { recordsMax, valueBytesMax } = this.#parts.swarm;
    const sends = Array.from({ length: this.#chance.whole(1, recordsMax) }, () => {
      const number = ++this.#operations;
      const value = valueOf(this.process.name, number, this.#chance.whole(1, valueBytesMax));
      // Which of them share a batch is the client's own business, and nothing is said of it here.
      const batch = `${this.process.name}:${number}`;
      const keyed = keyFor(topic, this.#keys);
      return this.#history.sent({ producer: this.process.name, partition: name, value, batch, ...keyed });
    });
    for (const send of sends) this.#pending.add(send);
    const records = sends.map((send) => ({ ...loadRecord(send.value, send), partition: index }));
    this.#client.producer.sendMany(topic.name, records, {}, ({ offset, refusals }) => {
      for (const [i, send] of sends.entries()) {
        this.#pending.delete(send);
        const why = refusals.get(i);
        if (why === undefined) this.#history.acknowledged(send, offset[i]!);
        else if (NEVER_SENT.has(why.code)) this.#history.failed(send);
      }
    });
  }
}

/** A value that nobody else sends, of about so many bytes. */
export function valueOf(producer: string, number: number, bytes: number): string {
  const name = `${producer}:${number}:`;
  return name + '.'.repeat(Math.max(0, bytes - name.length));
}
