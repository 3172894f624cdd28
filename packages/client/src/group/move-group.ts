import { WeirError } from '@weir/base/errors.ts';
import type { Client } from '../client.ts';
import type { GroupAdmin } from './group-admin.ts';
import { placeAfter } from './seek-target.ts';
import type { SeekTarget } from './seek-target.ts';

/** Where a group reads on in a partition, before and after. */
export interface GroupMove {
  readonly partition: number;
  /** Null: nothing was committed. */
  readonly from: number | null;
  readonly to: number;
}

/** What is asked of a client for that. */
export type MovingClient = Pick<Client, 'listOffsets'> & {
  readonly groups: Pick<GroupAdmin, 'commit' | 'describe' | 'offsets'>;
};

/**
 * Where a group would read on; nothing is changed by that. One that is not there begins with it.
 *
 * @throws WeirError (as a rejection): NON_EMPTY_GROUP, because members would go on where they are, and commit that;
 *   OFFSET_OUT_OF_RANGE, and what the group says
 */
export async function planMoves(
  client: MovingClient,
  where: { readonly groupId: string; readonly topic: string; readonly partitions: readonly number[] },
  target: SeekTarget,
): Promise<readonly GroupMove[]> {
  const { groupId, topic, partitions } = where;
  const before = await emptyGroupOffsets(client, groupId);
  return Promise.all(
    partitions.map(async (partition): Promise<GroupMove> => {
      const from = before.find((one) => one.topic === topic && one.partition === partition)?.offset ?? null;
      return { partition, from, to: await placeAfter(client, { topic, partition, from }, target) };
    }),
  );
}

async function emptyGroupOffsets(
  client: MovingClient,
  groupId: string,
): Promise<readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]> {
  const { members } = await client.groups.describe(groupId).catch((error: unknown) => {
    if (error instanceof WeirError && error.code === 'GROUP_ID_NOT_FOUND') return { members: [] };
    throw error;
  });
  if (members.length > 0) {
    const count = members.length === 1 ? '1 member' : `${members.length} members`;
    throw new WeirError('NON_EMPTY_GROUP', `${count} in group ${groupId}: they have to leave first`);
  }
  return client.groups.offsets(groupId);
}
