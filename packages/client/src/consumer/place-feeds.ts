import { ERRORS, WeirError } from '@weir/base/errors.ts';
import { sleep } from '@weir/base/clock.ts';
import { RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { backoffMs } from '../backoff.ts';
import { placeOf } from '../group/assignor.ts';
import { thrownRefusal } from '../group/group-calls.ts';
import type { GroupCalls } from '../group/group-calls.ts';
import { fetchOffsets } from '../group/group-offsets.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import { listOffsets } from './list-offsets.ts';
import type { PartitionFeed } from './partition-feed.ts';

const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** Where a group begins that has committed nothing, or whose offset is not there any more; `none`: nowhere. */
export type OffsetReset = 'earliest' | 'latest' | 'none';

/** What finding places takes. */
export interface PlacingParts extends LeaderCallParts {
  readonly calls: GroupCalls;
  readonly groupId: string;
  readonly offsetReset: OffsetReset;
}

/**
 * Lets each feed begin where its group has come to, or where its owner has set it meanwhile. It is tried until it is done, or no
 * feed waits for it any more.
 *
 * @throws WeirError (as a rejection): OFFSET_OUT_OF_RANGE when there is nothing to begin at, and what is refused for good
 */
export async function placeFeeds(parts: PlacingParts, feeds: readonly PartitionFeed[]): Promise<void> {
  await again(parts, feeds, async (lost) => {
    const places = lost.map(({ place }) => place);
    const found = await fetchOffsets(parts.calls, parts.groupId, places);
    const byPlace = new Map(found.map((committed) => [placeOf(committed), committed.offset]));
    for (const feed of lost) {
      const committed = byPlace.get(placeOf(feed.place));
      if (committed !== undefined && feed.isLost) feed.begin(committed);
    }
  });
  await resetFeeds(parts, feeds);
}

/** Lets each feed that is lost begin where the policy says. Rejects as `placeFeeds` does. */
export async function resetFeeds(parts: PlacingParts, feeds: readonly PartitionFeed[]): Promise<void> {
  const { groupId, offsetReset } = parts;
  const waiting = feeds.filter(({ isLost }) => isLost);
  const [first] = waiting;
  if (first === undefined) return;
  if (offsetReset === 'none') {
    const { topic, partition } = first.place;
    const message = `group ${groupId} has no offset to begin at in partition ${partition} of ${topic}; seek one`;
    throw new WeirError('OFFSET_OUT_OF_RANGE', message);
  }
  const reset = async (topic: string, lost: readonly PartitionFeed[]): Promise<void> => {
    const queries = lost.map(({ place: { partition } }) => ({ partition, timestamp: offsetReset }));
    const answers = await listOffsets(parts, topic, queries);
    for (const [i, { offset }] of answers.entries()) if (lost[i]!.isLost) lost[i]!.seek(offset);
  };
  // A partition without a leader keeps only itself waiting: then each is asked about alone.
  await Promise.all(
    [...Map.groupBy(waiting, ({ place }) => place.topic)].map(async ([topic, all]) => {
      await reset(topic, all).catch(() =>
        Promise.all(all.map((feed) => again(parts, [feed], (lost) => reset(topic, lost)))),
      );
    }),
  );
}

/** Tries until it is done, or nobody waits. */
async function again(
  { world }: PlacingParts,
  feeds: readonly PartitionFeed[],
  act: (lost: readonly PartitionFeed[]) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const lost = feeds.filter(({ isLost }) => isLost);
    if (lost.length === 0) return;
    try {
      return await act(lost);
    } catch (error) {
      const { code, message } = thrownRefusal(error);
      if (!ERRORS[code].retriable) throw error;
      world.logger.debug({ code, tries }, `finding where to read: ${message}`);
    }
    await sleep(world.clock, backoffMs(tries, BACKOFF, world.random));
  }
}
