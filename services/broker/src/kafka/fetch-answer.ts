import type { FetchResponse } from '@weir/kafka/apis/fetch.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber, LEADER_MOVED } from './error-number.ts';
import type { FetchPlace, Found, Wanted } from './fetch-place.ts';
import { findTopic } from './topics.ts';

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];
type TopicAnswer = { topic: string; topicId: Uint8Array; partitions: PartitionAnswer[] };

/** The partitions of an answer, topics in the order in which they come. */
export class FetchAnswer {
  readonly topics: TopicAnswer[] = [];
  /** Whether it tells who leads a partition now. */
  hasLeaders = false;
  readonly #cluster: ClusterView;
  readonly #isolationLevel: number;

  constructor(cluster: ClusterView, isolationLevel: number) {
    this.#cluster = cluster;
    this.#isolationLevel = isolationLevel;
  }

  add({ wanted }: FetchPlace, found: Found): void {
    let topic = this.topics.at(-1);
    if (topic === undefined || topic.topic !== wanted.topic || !sameId(topic.topicId, wanted.topicId)) {
      topic = { topic: wanted.topic, topicId: wanted.topicId, partitions: [] };
      this.topics.push(topic);
    }
    topic.partitions.push(this.#partition(wanted, found));
  }

  #partition(wanted: Wanted, found: Found): PartitionAnswer {
    if (found.kind === 'refused') return this.#refused(wanted, found.why.code);
    const { highWatermark, logStartOffset } = found.partition;
    const served = {
      partitionIndex: wanted.partition,
      errorCode: 0,
      highWatermark,
      // There are no transactions: all that may be read is stable.
      lastStableOffset: highWatermark,
      logStartOffset,
      abortedTransactions: this.#isolationLevel === 1 ? [] : null,
    };
    if (found.kind === 'diverged') return { ...served, records: [], divergingEpoch: found.at };
    return { ...served, records: found.buffers };
  }

  #refused(wanted: Wanted, code: ErrorCode): PartitionAnswer {
    const id = { name: wanted.topic, id: wanted.topicId };
    const image = LEADER_MOVED.has(code) ? this.#cluster.image : undefined;
    const info = image === undefined ? undefined : findTopic(image, id)?.partitions[wanted.partition];
    const answer = {
      partitionIndex: wanted.partition,
      errorCode: errorNumber(code),
      highWatermark: -1,
      abortedTransactions: null,
      records: [],
    };
    if (info === undefined || info.leader === -1) return answer;
    this.hasLeaders = true;
    return { ...answer, currentLeader: { leaderId: info.leader, leaderEpoch: info.leaderEpoch } };
  }
}

function sameId(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}
