import type { Client } from '../client.ts';
import type { GroupDescription } from './describe-group.ts';
import type { GroupAdmin } from './group-admin.ts';
import { offsetRanges } from './offset-ranges.ts';
import { comparePlaces, placeOf } from './assignor.ts';

/** How far a group is in a partition. */
export interface PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed. */
  readonly offset: number | null;
  /** Null where the leader did not say. */
  readonly end: number | null;
  readonly lag: number | null;
  /** Who reads it; null: nobody. */
  readonly memberId: string | null;
}

/** What is asked of a client for that. */
export type ProgressClient = Pick<Client, 'listOffsets' | 'topic'> & { readonly groups: Pick<GroupAdmin, 'offsets'> };

/** What a group has committed, and what its members read, by topic and partition. @throws WeirError (as a rejection) */
export async function groupProgress(
  client: ProgressClient,
  group: GroupDescription,
): Promise<readonly PartitionProgress[]> {
  const committed = await client.groups.offsets(group.groupId);
  const rows = new Map<string, Pick<PartitionProgress, 'topic' | 'partition' | 'offset' | 'memberId'>>();
  for (const { topic, partition, offset } of committed) {
    rows.set(placeOf({ topic, partition }), { topic, partition, offset, memberId: null });
  }
  for (const { memberId, assignment } of group.members) {
    for (const { topic, partition } of assignment) {
      const offset = rows.get(placeOf({ topic, partition }))?.offset ?? null;
      rows.set(placeOf({ topic, partition }), { topic, partition, offset, memberId });
    }
  }
  const ends = new Map<string, number | null>();
  for (const name of new Set([...rows.values()].map(({ topic }) => topic))) {
    const topic = client.topic(name);
    if (topic === undefined) continue;
    const { ranges } = await offsetRanges(client, topic);
    for (const [partition, { latest }] of ranges.entries()) ends.set(placeOf({ topic: name, partition }), latest);
  }
  return [...rows.entries()]
    .map(([key, row]) => {
      const end = ends.get(key) ?? null;
      const lag = end === null || row.offset === null ? null : Math.max(0, end - row.offset);
      return { ...row, end, lag };
    })
    .toSorted(comparePlaces);
}
