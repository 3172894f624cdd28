import { messageOf } from '@weir/base/errors.ts';
import type { Client } from '../client.ts';
import type { PartitionInfo, TopicInfo } from '../metadata/cluster-image.ts';

/** First and next offset of a partition; null where its leader did not say. */
export interface OffsetRange {
  readonly earliest: number | null;
  readonly latest: number | null;
}

/** Where partitions begin and end. A leader that is away costs its own partitions' offsets, not the others'. */
export async function offsetRanges(
  client: Pick<Client, 'listOffsets'>,
  topic: TopicInfo,
  partitions: readonly PartitionInfo[] = topic.partitions,
): Promise<{ ranges: readonly OffsetRange[]; problem: string | undefined }> {
  let problem: string | undefined;
  const ranges = await Promise.all(
    partitions.map(async ({ index, leader }): Promise<OffsetRange> => {
      const unknown = { earliest: null, latest: null };
      if (leader === -1) {
        problem = `partition ${index} has no leader`;
        return unknown;
      }
      try {
        const [earliest, latest] = await Promise.all(
          (['earliest', 'latest'] as const).map((timestamp) =>
            client.listOffsets(topic.name, [{ partition: index, timestamp }]),
          ),
        );
        return { earliest: earliest![0]!.offset, latest: latest![0]!.offset };
      } catch (error) {
        problem = messageOf(error);
        return unknown;
      }
    }),
  );
  return { ranges, problem };
}
