import { refusal } from '@weir/base/errors.ts';
import type { offsetForLeaderEpoch } from '@weir/kafka/apis/offset-for-leader-epoch.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';

/** Answers where leader epochs ended, by which clients notice that what they have read is there no more (KIP-320). */
export function answerOffsetForLeaderEpoch(
  cluster: ClusterView,
  partitions: Partitions,
  exchange: Exchange<typeof offsetForLeaderEpoch>,
): void {
  const topics = exchange.request.topics.map(({ topic: name, partitions: asked }) => ({
    topic: name,
    partitions: asked.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      const topic = cluster.image.topic(name);
      const found =
        topic === undefined
          ? refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${name}`)
          : partitions.serving(topic.idBytes, partition, currentLeaderEpoch);
      if (!(found instanceof Partition)) {
        const code = found.code === 'UNKNOWN_TOPIC_ID' ? 'UNKNOWN_TOPIC_OR_PARTITION' : found.code;
        return { errorCode: errorNumber(code), partition, leaderEpoch: -1, endOffset: -1 };
      }
      const end = found.epochEnd(leaderEpoch);
      return { errorCode: 0, partition, leaderEpoch: end.epoch, endOffset: end.endOffset };
    }),
  }));
  exchange.answer({ throttleTimeMs: 0, topics });
}
