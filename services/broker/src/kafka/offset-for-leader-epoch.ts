import type { offsetForLeaderEpoch } from '@weir/kafka/apis/offset-for-leader-epoch.ts';
import { Partition } from '../partition/partition.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { servingByName } from './topics.ts';

/** Answers where leader epochs ended, by which clients notice that what they have read is there no more (KIP-320). */
export function answerOffsetForLeaderEpoch(
  cluster: ClusterView,
  partitions: Partitions,
  exchange: Exchange<typeof offsetForLeaderEpoch>,
): void {
  const topics = exchange.request.topics.map(({ topic: name, partitions: asked }) => ({
    topic: name,
    partitions: asked.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      const found = servingByName({ cluster, partitions }, name, partition, currentLeaderEpoch);
      if (!(found instanceof Partition)) {
        return { errorCode: errorNumber(found.code), partition, leaderEpoch: -1, endOffset: -1 };
      }
      const end = found.epochEnd(leaderEpoch);
      return { errorCode: 0, partition, leaderEpoch: end.epoch, endOffset: end.endOffset };
    }),
  }));
  exchange.answer({ throttleTimeMs: 0, topics });
}
