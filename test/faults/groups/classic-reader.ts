import { fetch } from '@weir/kafka/apis/fetch.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { isInternalTopic } from '@weir/base/ids.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { SeenRecord } from '../../simulation/checks/record-history.ts';
import { textOfRecord } from '../record-text.ts';
import type { BoundedConnections } from './bounded-connections.ts';
import type { Position, TopicSizes } from './classic-group.ts';

const ANSWER_MS_MAX = 2_000;
const WAIT_MS = 100;
const FETCH_BYTES = 1024 * 1024;

/** Records of one partition, in order. */
export interface Fetched extends TopicPartition {
  readonly records: readonly SeenRecord[];
}

/** Reads partitions through Kafka's protocol from whoever leads them, and finds topics by a pattern. */
export class ClassicReader {
  readonly #bootstrap: readonly string[];
  readonly #pattern: RegExp;
  readonly #connections: BoundedConnections;
  /** host:port of who leads, by topic and partition. */
  #leaders = new Map<string, (string | undefined)[]>();

  constructor(
    on: { readonly bootstrap: readonly string[]; readonly pattern: RegExp },
    connections: BoundedConnections,
  ) {
    this.#bootstrap = on.bootstrap;
    this.#pattern = on.pattern;
    this.#connections = connections;
  }

  /** The topics that match, as they were when it looked last. */
  get topics(): TopicSizes {
    return new Map([...this.#leaders].map(([name, leaders]) => [name, leaders.length]));
  }

  /** Looks which topics there are, and who leads. @throws Error (as a rejection) when the broker that is asked does not answer */
  async look(): Promise<void> {
    const any = this.#bootstrap[Math.floor(Math.random() * this.#bootstrap.length)]!;
    const request = { topics: null, allowAutoTopicCreation: false };
    const question = { answerMs: ANSWER_MS_MAX, api: metadata, version: 12, request };
    const { brokers, topics } = await this.#connections.ask(any, question);
    const addresses = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]));
    const wanted = topics.filter(({ name }) => name !== null && !isInternalTopic(name) && this.#pattern.test(name));
    this.#leaders = new Map(
      wanted.map(({ name, partitions }) => {
        const inOrder = partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
        return [name!, inOrder.map(({ leaderId }) => addresses.get(leaderId))];
      }),
    );
  }

  /** What there is of partitions, from these offsets on; of those whose leaders do not answer nothing. */
  async fetch(positions: readonly Position[]): Promise<readonly Fetched[]> {
    const byLeader = Map.groupBy(positions, ({ topic, partition }) => this.#leaders.get(topic)?.[partition]);
    const asked = [...byLeader].map(async ([leader, wanted]) => {
      if (leader === undefined) return [];
      try {
        return await this.#fetchFrom(leader, wanted);
      } catch {
        // It is known soon who leads instead.
        return [];
      }
    });
    return (await Promise.all(asked)).flat();
  }

  async #fetchFrom(leader: string, positions: readonly Position[]): Promise<readonly Fetched[]> {
    const topics = [...Map.groupBy(positions, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset }) => ({
        partition,
        fetchOffset: offset,
        partitionMaxBytes: FETCH_BYTES,
      })),
    }));
    const request = { maxWaitMs: WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES, isolationLevel: 0, topics };
    const { responses } = await this.#connections.ask(leader, {
      answerMs: ANSWER_MS_MAX,
      api: fetch,
      version: 12,
      request,
    });
    return responses.flatMap(({ topic, partitions }) =>
      partitions.flatMap(({ partitionIndex: partition, records: batches }) => {
        const from = positions.find((one) => one.topic === topic && one.partition === partition)?.offset;
        if (from === undefined || batches == null || batches.length === 0) return [];
        const records: SeenRecord[] = [];
        readRecords(batches, ({ offset, value }) => void records.push({ offset, value: textOfRecord(value) }), from);
        return records.length === 0 ? [] : [{ topic, partition, records }];
      }),
    );
  }
}
