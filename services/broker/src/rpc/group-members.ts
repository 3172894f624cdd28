import { create } from '@bufbuild/protobuf';
import { GROUP_LEAVING_PER_REQUEST_MAX, GROUP_PROTOCOLS_MAX } from '@weir/base/group-limits.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import type { Random } from '@weir/base/random.ts';
import {
  HeartbeatResponseSchema,
  JoinGroupResponseSchema,
  LeaveGroupResponseSchema,
  SyncGroupResponseSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type {
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import { askToJoin, askToLeave, askToSync, heartbeatOf } from '../group/group-calls.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { JoinResponse, LeaveResponse, SyncResponse } from '../group/group-messages.ts';
import { checkCount } from './check-count.ts';
import { optional, outcomeOf } from './group-answer.ts';

/** JoinGroup: answered once the generation that the member joins is stored. @throws WeirError INVALID_REQUEST */
export async function joinGroup(
  { groups, random }: { readonly groups: GroupCoordinator; readonly random: Random },
  request: JoinGroupRequest,
  peer: string,
): Promise<JoinGroupResponse> {
  checkCount(request.protocols.length, GROUP_PROTOCOLS_MAX, 'protocols');
  const { groupId, memberId, clientId, protocolType, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const joining = {
    memberId,
    instanceId: optional(request.instanceId),
    clientId,
    // As Java writes an address, and as the groups of Kafka's clients have it.
    clientHost: `/${peer.slice(0, peer.lastIndexOf(':'))}`,
    protocolType,
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata })),
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    needsMemberId: true,
    maySkipAssignment: true,
    reason: optional(request.reason),
    uuid: uuidFromRandom(random.bytes(16)),
  };
  const joined = await new Promise<JoinResponse>((resolve) => askToJoin(groups, groupId, joining, resolve));
  return create(JoinGroupResponseSchema, {
    ...outcomeOf(joined.error),
    generation: joined.generation,
    protocol: joined.protocol ?? '',
    leader: joined.leader,
    memberId: joined.memberId,
    skipAssignment: joined.skipAssignment,
    members: joined.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId ?? '',
      metadata: member.metadata,
    })),
  });
}

/** SyncGroup: answered once what the leader has assigned is stored. */
export async function syncGroup(groups: GroupCoordinator, request: SyncGroupRequest): Promise<SyncGroupResponse> {
  const syncing = {
    memberId: request.memberId,
    instanceId: optional(request.instanceId),
    generation: request.generation,
    protocolType: optional(request.protocolType),
    protocol: optional(request.protocol),
    assignments: request.assignments.map(({ memberId, assignment }) => ({ memberId, assignment })),
  };
  const { error, assignment } = await new Promise<SyncResponse>((resolve) =>
    askToSync(groups, request.groupId, syncing, resolve),
  );
  return create(SyncGroupResponseSchema, { ...outcomeOf(error), assignment });
}

/** Heartbeat. */
export function heartbeat(
  groups: GroupCoordinator,
  { groupId, memberId, instanceId, generation }: HeartbeatRequest,
): HeartbeatResponse {
  const error = heartbeatOf(groups, groupId, { memberId, instanceId: optional(instanceId), generation });
  return create(HeartbeatResponseSchema, outcomeOf(error));
}

/** LeaveGroup. @throws WeirError INVALID_REQUEST */
export async function leaveGroup(groups: GroupCoordinator, request: LeaveGroupRequest): Promise<LeaveGroupResponse> {
  checkCount(request.members.length, GROUP_LEAVING_PER_REQUEST_MAX, 'members');
  const leaving = request.members.map(({ memberId, instanceId, reason }) => ({
    memberId,
    instanceId: optional(instanceId),
    reason: optional(reason),
  }));
  const { error, members } = await new Promise<LeaveResponse>((resolve) =>
    askToLeave(groups, request.groupId, leaving, resolve),
  );
  return create(LeaveGroupResponseSchema, {
    ...outcomeOf(error),
    results: members.map((member) => outcomeOf(member.error)),
  });
}
