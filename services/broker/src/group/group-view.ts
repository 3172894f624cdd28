import { CONSUMER_PROTOCOL_TYPE } from './group-core.ts';
import type { GroupCore } from './group-core.ts';
import { metadataOf } from './group-members.ts';
import { NOTHING } from './group-messages.ts';
import type { GroupState } from './group-state.ts';

/** A group as DescribeGroups tells it. */
export interface DescribedGroup {
  readonly state: GroupState;
  readonly protocolType: string;
  /** Empty unless the group is stable, as what the members say is. */
  readonly protocol: string;
  readonly members: readonly DescribedMember[];
}

export interface DescribedMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly metadata: Uint8Array;
  readonly assignment: Uint8Array;
}

/** For how long the offset of a topic is kept: from when on the retention time counts, or as long as the group is. */
export type OffsetRetention =
  | { readonly from: 'commit' }
  /** In milliseconds since 1970. */
  | { readonly from: 'emptied'; readonly ms: number }
  | { readonly from: 'never' };

export function describeGroup<Token>(core: GroupCore<Token>): DescribedGroup {
  const { state } = core;
  const protocol = state === 'Stable' ? (core.protocol ?? '') : undefined;
  return {
    state,
    protocolType: core.protocolType ?? '',
    protocol: protocol ?? '',
    members: [...core.members].map((member) => ({
      memberId: member.id,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: protocol === undefined ? NOTHING : metadataOf(member, protocol),
      assignment: member.assignment,
    })),
  };
}

/** Whether members read a topic. Of consumers of whom it is not known it is assumed. */
export function isSubscribed<Token>({ topics, protocolType }: GroupCore<Token>, topic: string): boolean {
  return topics?.has(topic) ?? protocolType === CONSUMER_PROTOCOL_TYPE;
}

/** How long an offset is kept: in a group that is used, as long as its topic is. */
export function retentionOf<Token>(core: GroupCore<Token>, topic: string): OffsetRetention {
  const { state, protocolType, topics, stateSinceMs } = core;
  // It only commits.
  if (protocolType === undefined) return { from: 'commit' };
  if (state === 'Empty') return stateSinceMs === -1 ? { from: 'commit' } : { from: 'emptied', ms: stateSinceMs };
  const isKnown = state === 'Stable' && protocolType === CONSUMER_PROTOCOL_TYPE && topics !== undefined;
  return isKnown && !isSubscribed(core, topic) ? { from: 'commit' } : { from: 'never' };
}
