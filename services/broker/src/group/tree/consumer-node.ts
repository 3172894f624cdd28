import type { GroupRecord, GroupRecordMember } from '../group-record.ts';
import type { CommittedOffset } from '../committed-offsets.ts';
import type { ConsumerPlace } from './consumer-place.ts';
import { pathOf } from './consumer-place.ts';

/** A node of a group, as it was at one revision. */
export interface ConsumerNode {
  readonly path: string;
  /** Of the record that says so; 0 for directories. */
  readonly modRevision: number;
  readonly childCount: number;
  /** Made when asked for. */
  readonly data: () => Uint8Array;
}

/** One change of one node. */
export type ConsumerEvent =
  | { readonly kind: 'created' | 'changed'; readonly path: string; readonly node: ConsumerNode }
  | { readonly kind: 'deleted'; readonly path: string };

/** Format version of the JSON in these nodes. */
const VERSION = 1;
const NO_DATA = new Uint8Array(0);
/** What each group has below it: ids, owners, offsets. */
export const GROUP_CHILDREN = 3;

/** A node that only has children. */
export function directoryNode(place: ConsumerPlace, childCount: number): ConsumerNode {
  return { path: pathOf(place), modRevision: 0, childCount, data: () => NO_DATA };
}

/** A group; without a record it only commits. */
export function groupNode(
  group: string,
  stored: { readonly record: GroupRecord; readonly revision: number } | undefined,
): ConsumerNode {
  return {
    path: pathOf({ kind: 'group', group }),
    modRevision: stored?.revision ?? 0,
    childCount: GROUP_CHILDREN,
    data: () => jsonOf(groupData(stored?.record)),
  };
}

/** What a group's node says, but for its version. */
export function groupData(record: GroupRecord | undefined): object {
  return {
    protocol_type: record === undefined || record.protocolType === '' ? null : record.protocolType,
    protocol: record?.protocol ?? null,
    generation: record?.generation ?? null,
    leader: record?.leader ?? null,
  };
}

/** What a member's node says, but for its version. */
export function memberData(member: GroupRecordMember, topics: readonly string[] | undefined): object {
  const { clientId, clientHost, groupInstanceId } = member;
  return { subscription: topics ?? null, client_id: clientId, client_host: clientHost, instance_id: groupInstanceId };
}

/** A member, and what it is subscribed to. */
export function memberNode(group: string, member: string, revision: number, data: object): ConsumerNode {
  return leafNode({ kind: 'member', group, member }, revision, data);
}

/** Whose a partition is. */
export function ownerNode(
  place: Omit<Extract<ConsumerPlace, { kind: 'partition' }>, 'kind' | 'list'>,
  revision: number,
  consumer: string,
): ConsumerNode {
  return leafNode({ kind: 'partition', list: 'owners', ...place }, revision, { consumer });
}

/** How far a group has come in a partition. */
export function offsetNode(
  place: Omit<Extract<ConsumerPlace, { kind: 'partition' }>, 'kind' | 'list'>,
  revision: number,
  { offset, leaderEpoch, metadata, committedMs }: CommittedOffset,
): ConsumerNode {
  return leafNode({ kind: 'partition', list: 'offsets', ...place }, revision, {
    offset,
    leader_epoch: leaderEpoch === -1 ? null : leaderEpoch,
    metadata,
    committed_ms: committedMs,
  });
}

function leafNode(place: ConsumerPlace, modRevision: number, data: object): ConsumerNode {
  return { path: pathOf(place), modRevision, childCount: 0, data: () => jsonOf(data) };
}

function jsonOf(data: object): Uint8Array {
  return Buffer.from(JSON.stringify({ version: VERSION, ...data }));
}
