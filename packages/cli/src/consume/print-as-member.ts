import type { Client } from '@weir/client/client.ts';
import { isGivenAway } from '@weir/client/consumer/given-away.ts';
import type { GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { Printer } from './printer.ts';

/** How soon it looks whether there is enough. */
const LOOK_MS = 100;
const RECORDS_AT_A_TIME_MAX = 500;

/** What to print. */
export interface MemberStretch {
  readonly group: string;
  readonly topic: string;
  /** Where a group begins that has committed nothing. */
  readonly offsetReset: 'earliest' | 'latest';
  /** Without it, it ends once all is printed that was there when its partitions were assigned. */
  readonly follow: boolean;
}

/**
 * Prints what a member of a group gets, and commits it once it is printed. Resolves when there is enough or the printer stops, after
 * it has left the group.
 *
 * @throws WeirError (as a rejection) when it cannot be a member, or cannot read on
 */
export async function printAsMember(client: Client, stretch: MemberStretch, printer: Printer): Promise<void> {
  const ends = new Ends(client);
  const { group: groupId, topic, offsetReset } = stretch;
  const consumer = client.consumer({
    groupId,
    topics: [topic],
    offsetReset,
    events: {
      assigned: (places) => ends.add(places),
      revoked: (places) => ends.remove(places),
      lost: (places) => ends.remove(places),
    },
  });
  try {
    while (!printer.stopped && !(ends.areReached(consumer) && !stretch.follow)) {
      const maxRecords = Math.min(printer.left, RECORDS_AT_A_TIME_MAX);
      const records = await consumer.poll({ maxRecords, waitMs: LOOK_MS });
      if (records.length === 0) continue;
      printer.printRecords(records);
      await printer.drained();
      await commit(consumer);
    }
  } finally {
    await consumer.close();
  }
}

async function commit(consumer: GroupConsumer): Promise<void> {
  try {
    await consumer.commit();
  } catch (error) {
    // Somebody else prints them again.
    if (!isGivenAway(error)) throw error;
  }
}

/** Where the partitions ended when they were assigned. */
class Ends {
  readonly #client: Client;
  readonly #ends = new Map<string, TopicPartition & { readonly end: number }>();

  constructor(client: Client) {
    this.#client = client;
  }

  async add(places: readonly TopicPartition[]): Promise<void> {
    const [first] = places;
    if (first === undefined) return;
    const queries = places.map(({ partition }) => ({ partition, timestamp: 'latest' as const }));
    for (const { partition, offset } of await this.#client.listOffsets(first.topic, queries)) {
      this.#ends.set(`${partition}`, { topic: first.topic, partition, end: offset });
    }
  }

  remove(places: readonly TopicPartition[]): void {
    for (const { partition } of places) this.#ends.delete(`${partition}`);
  }

  /** A member of whom there are more than partitions has nothing to print. */
  areReached(consumer: GroupConsumer): boolean {
    if (!consumer.isAssigned) return false;
    return [...this.#ends.values()].every((place) => (consumer.position(place) ?? -1) >= place.end);
  }
}
