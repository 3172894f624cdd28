import type { Refusal } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import type { FetchMarks } from '@weir/client/consumer/subscription.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { RecordHistory, SeenRecord } from '../checks/record-history.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { clientProcess } from './client-world.ts';
import { textOf } from './load-record.ts';
import type { BrokerSwarm } from './swarm.ts';
import type { LoadPartition } from './topics.ts';

const CREDIT_BYTES = [1_000, 20_000, 1_000_000];

/** How far a reader is with a partition. */
interface Place {
  next: number;
  /** All that was committed, as the leader said last. */
  end: number | undefined;
}

/** A process that follows all partitions from their first record on, or the first that is left, with the native client. */
export class Reader {
  readonly process: Process;
  readonly #parts: Parts<BrokerSwarm>;
  readonly #history: RecordHistory;
  readonly #client: Client;
  readonly #places = new Map<string, Place>();
  readonly #creditBytes: number;
  #operations = 0;

  constructor(
    name: string,
    parts: Parts<BrokerSwarm>,
    load: {
      readonly coordinators: readonly string[];
      readonly history: RecordHistory;
      readonly partitions: readonly LoadPartition[];
      /** Bytes that it lets come before it has taken what came; drawn when absent. */
      readonly creditBytes?: number;
    },
  ) {
    this.#parts = parts;
    this.#history = load.history;
    const { process, world } = clientProcess(name, parts);
    this.process = process;
    this.#creditBytes = load.creditBytes ?? parts.chanceFor(`${name}'s load`).pick(CREDIT_BYTES);
    this.#client = new Client({ coordinators: load.coordinators, name }, world);
    for (const partition of load.partitions) this.#follow(partition, 0);
  }

  /** Times that it was given records. */
  get operations(): number {
    return this.#operations;
  }

  /** A partition that it has not read to its end, if there is one but those that cannot be read. */
  behind(unreadable: ReadonlySet<string>): string | undefined {
    for (const [name, { next, end }] of this.#places) {
      if (unreadable.has(name)) continue;
      if (end === undefined || next < end)
        return `${name} was read up to ${next}, and ends at ${end ?? 'nobody knows what'}`;
    }
    return undefined;
  }

  #follow({ topic, index, name }: LoadPartition, from: number): void {
    const place: Place = { next: from, end: undefined };
    this.#places.set(name, place);
    const { clock } = this.process;
    const request = { topic: topic.name, partition: index, offset: from, creditBytes: this.#creditBytes };
    const subscription = this.#client.subscribe(request, {
      batches: (bytes, { fromOffset, nextOffset, highWatermark }) => {
        this.#operations++;
        place.next = nextOffset;
        place.end = highWatermark;
        this.#history.polled({
          reader: this.process.name,
          partition: name,
          from: fromOffset,
          records: recordsIn(bytes, fromOffset),
        });
        subscription.credit(bytes.length);
      },
      caughtUp: ({ highWatermark }: FetchMarks) => {
        place.end = highWatermark;
      },
      ended: (why) => {
        this.#ended(name, place, why);
        // The topic may not be there yet, as far as this client knows; or its oldest records are not there any more.
        clock.after(200, () => void this.#followFromStart({ topic, index, name }));
      },
    });
  }

  async #followFromStart(partition: LoadPartition): Promise<void> {
    const { topic, index } = partition;
    const answers = this.#client.listOffsets(topic.name, [{ partition: index, timestamp: 'earliest' }]);
    const from = await answers.then(
      ([earliest]) => earliest?.offset ?? 0,
      () => 0,
    );
    this.#follow(partition, from);
  }

  #ended(partition: string, { next }: Place, { code, message }: Refusal): void {
    if (code === 'OFFSET_OUT_OF_RANGE') this.#history.lostPlace({ reader: this.process.name, partition, offset: next });
    else if (code !== 'UNKNOWN_TOPIC_OR_PARTITION')
      this.#parts.ground.violated(`${this.process.name} was told of ${partition}: ${code}: ${message}`);
  }
}

function recordsIn(bytes: Buffer, from: number): SeenRecord[] {
  const records: SeenRecord[] = [];
  readRecords(bytes, (record) => void records.push({ offset: record.offset, value: textOf(record) }), from);
  return records;
}
