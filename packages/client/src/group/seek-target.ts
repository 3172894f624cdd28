import { WeirError } from '@weir/base/errors.ts';
import type { Client } from '../client.ts';
import type { StartAt } from './start-at.ts';

/** Where a group is to read on. */
export type SeekTarget = StartAt | { readonly kind: 'by'; readonly records: number };

/** A partition, and where the group reads on in it now; null: nothing is committed. */
export interface SeekPlace {
  readonly topic: string;
  readonly partition: number;
  readonly from: number | null;
}

/**
 * The offset that a place stands for.
 *
 * @throws WeirError (as a rejection) OFFSET_OUT_OF_RANGE: there is no such offset, or nothing is committed to count from
 */
export async function placeAfter(
  client: Pick<Client, 'listOffsets'>,
  { topic, partition, from }: SeekPlace,
  target: SeekTarget,
): Promise<number> {
  const offsetAt = async (timestamp: number | 'earliest' | 'latest'): Promise<number> =>
    (await client.listOffsets(topic, [{ partition, timestamp }]))[0]!.offset;
  const [earliest, latest] = await Promise.all([offsetAt('earliest'), offsetAt('latest')]);
  switch (target.kind) {
    case 'earliest':
      return earliest;
    case 'latest':
      return latest;
    case 'timestamp': {
      const found = await offsetAt(target.timestampMs);
      return found === -1 ? latest : found;
    }
    case 'by':
      if (from !== null) return Math.min(latest, Math.max(earliest, from + target.records));
      throw new WeirError(
        'OFFSET_OUT_OF_RANGE',
        `nothing is committed in partition ${partition} of ${topic} to count from`,
      );
    case 'offset':
      if (target.offset >= earliest && target.offset <= latest) return target.offset;
      throw new WeirError(
        'OFFSET_OUT_OF_RANGE',
        noSuchOffset({ topic, partition, offset: target.offset, earliest, latest }),
      );
  }
}

/** Why an offset is not there, and which are. */
function noSuchOffset({
  topic,
  partition,
  offset,
  earliest,
  latest,
}: {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly earliest: number;
  readonly latest: number;
}): string {
  const what = `offset ${offset} is not there: partition ${partition} of ${topic}`;
  return earliest === latest
    ? `${what} is empty, and the next offset is ${latest}`
    : `${what} has ${earliest} to ${latest - 1}`;
}
