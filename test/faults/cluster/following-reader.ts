import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@weir/client/client.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import type { RecordHistory, SeenRecord } from '../../simulation/checks/record-history.ts';
import { partitionName } from '../history.ts';
import type { LoadTopic } from '../load.ts';
import { textOfRecord } from '../record-text.ts';

const CREDIT_BYTES = 1_000_000;
const AGAIN_MS = 200;
const POLL_MS = 20;

/** How far it is with a partition. */
interface Place {
  next: number;
  /** All that was committed, as the leader said last. */
  end: number | undefined;
}

/** A client that follows all partitions of a topic from their first record on, and notes all that it is given. */
export class FollowingReader {
  readonly #name: string;
  readonly #topic: LoadTopic;
  readonly #history: RecordHistory;
  readonly #client: Client;
  readonly #places: Place[] = [];
  #isClosed = false;

  constructor(
    name: string,
    on: { readonly coordinators: readonly string[]; readonly topic: LoadTopic; readonly history: RecordHistory },
  ) {
    this.#name = name;
    this.#topic = on.topic;
    this.#history = on.history;
    this.#client = new Client({ coordinators: on.coordinators, name }, clientWorld);
    for (let partition = 0; partition < on.topic.partitions; partition++) this.#follow(partition);
  }

  /** Waits until it has read all that is committed; what it lacks after so long, or undefined. */
  async untilAtEnd(withinMs: number): Promise<string | undefined> {
    for (const untilMs = performance.now() + withinMs; ; await pause(POLL_MS)) {
      const behind = this.#behind();
      if (behind === undefined || performance.now() > untilMs) return behind;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#client.close();
  }

  #behind(): string | undefined {
    for (const [partition, { next, end }] of this.#places.entries()) {
      if (end === undefined || next < end)
        return `${this.#name} has read partition ${partition} up to ${next} of ${end ?? 'nobody knows what'}`;
    }
    return undefined;
  }

  #follow(partition: number): void {
    const place: Place = { next: 0, end: undefined };
    this.#places[partition] = place;
    const name = partitionName(this.#topic.name, partition);
    const request = { topic: this.#topic.name, partition, offset: 0, creditBytes: CREDIT_BYTES };
    const subscription = this.#client.subscribe(request, {
      batches: (bytes, { fromOffset, nextOffset, highWatermark }) => {
        place.next = nextOffset;
        place.end = highWatermark;
        const records = recordsIn(bytes, fromOffset);
        this.#history.polled({ reader: this.#name, partition: name, from: fromOffset, records });
        subscription.credit(bytes.length);
      },
      caughtUp: ({ highWatermark }) => void (place.end = highWatermark),
      ended: ({ code }) => {
        if (code === 'OFFSET_OUT_OF_RANGE')
          this.#history.lostPlace({ reader: this.#name, partition: name, offset: place.next });
        // The topic may not be known here yet. From its start again: what was there once has to be there now.
        if (!this.#isClosed) setTimeout(() => this.#follow(partition), AGAIN_MS).unref();
      },
    });
  }
}

/** The records of whole batches, from an offset on. */
export function recordsIn(batches: Buffer, from = 0): SeenRecord[] {
  const records: SeenRecord[] = [];
  readRecords(batches, ({ offset, value }) => void records.push({ offset, value: textOfRecord(value) }), from);
  return records;
}
