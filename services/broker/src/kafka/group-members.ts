import type { Random } from '@weir/base/random.ts';
import { uuidFromRandom } from '@weir/base/ids.ts';
import type { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import type { joinGroup, JoinGroupRequest } from '@weir/kafka/apis/join-group.ts';
import type { leaveGroup } from '@weir/kafka/apis/leave-group.ts';
import type { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { askToJoin, askToLeave, askToSync, heartbeatOf } from '../group/group-calls.ts';
import type { JoinRequest, JoinResponse, LeaveResponse, SyncResponse } from '../group/group-messages.ts';
import { errorNumber } from './error-number.ts';
import type { Caller, Exchange } from './exchange.ts';

/** The version from which a new member has to come again with the id that it is told (KIP-394). */
const MEMBER_ID_REQUIRED_FROM = 4;
/** The one from which a leader can be told that nothing is to be assigned. */
const SKIP_ASSIGNMENT_FROM = 9;
/** The one from which there may be no protocol. */
const NULL_PROTOCOL_FROM = 7;
/** The one from which several members leave at once. */
const SEVERAL_LEAVE_FROM = 3;

/** Answers JoinGroup, once the generation that the member joins is stored. */
export function answerJoinGroup(groups: GroupCoordinator, random: Random, exchange: Exchange<typeof joinGroup>): void {
  const { request, version, caller } = exchange;
  const answer = ({ error, generation, protocolType, protocol, members, ...response }: JoinResponse): void =>
    exchange.answer({
      throttleTimeMs: 0,
      errorCode: errorNumber(error),
      generationId: generation,
      protocolType: protocolType ?? null,
      protocolName: protocol ?? (version >= NULL_PROTOCOL_FROM ? null : ''),
      leader: response.leader,
      skipAssignment: response.skipAssignment,
      memberId: response.memberId,
      members: members.map(({ memberId, instanceId, metadata }) => ({
        memberId,
        groupInstanceId: instanceId ?? null,
        metadata,
      })),
    });
  const join = joinOf(request, version, caller, uuidFromRandom(random.bytes(16)));
  askToJoin(groups, request.groupId, join, answer);
}

/** Answers SyncGroup, once what the leader has assigned is stored. */
export function answerSyncGroup(groups: GroupCoordinator, exchange: Exchange<typeof syncGroup>): void {
  const { request } = exchange;
  const answer = ({ error, protocolType, protocol, assignment }: SyncResponse): void =>
    exchange.answer({
      throttleTimeMs: 0,
      errorCode: errorNumber(error),
      protocolType: protocolType ?? null,
      protocolName: protocol ?? null,
      assignment,
    });
  const { memberId, generationId: generation, protocolType, protocolName } = request;
  const sync = {
    memberId,
    generation,
    instanceId: request.groupInstanceId ?? undefined,
    protocolType: protocolType ?? undefined,
    protocol: protocolName ?? undefined,
    // Copies: they are kept as long as members are, and a view would keep the whole request.
    assignments: request.assignments.map((of) => ({
      memberId: of.memberId,
      assignment: Uint8Array.from(of.assignment),
    })),
  };
  askToSync(groups, request.groupId, sync, answer);
}

/** Answers Heartbeat. */
export function answerHeartbeat(groups: GroupCoordinator, exchange: Exchange<typeof heartbeat>): void {
  const { groupId, memberId, generationId: generation, groupInstanceId } = exchange.request;
  const instanceId = groupInstanceId ?? undefined;
  const error = heartbeatOf(groups, groupId, { memberId, generation, instanceId });
  exchange.answer({ throttleTimeMs: 0, errorCode: errorNumber(error) });
}

/** Answers LeaveGroup. */
export function answerLeaveGroup(groups: GroupCoordinator, exchange: Exchange<typeof leaveGroup>): void {
  const { request, version } = exchange;
  const hasSeveral = version >= SEVERAL_LEAVE_FROM;
  const leaving = hasSeveral
    ? request.members.map(({ memberId, groupInstanceId, reason }) => ({
        memberId,
        instanceId: groupInstanceId ?? undefined,
        reason: reason ?? undefined,
      }))
    : [{ memberId: request.memberId, instanceId: undefined, reason: undefined }];
  const answer = ({ error, members }: LeaveResponse): void => {
    const first = members[0]?.error ?? 'NONE';
    exchange.answer({
      throttleTimeMs: 0,
      errorCode: errorNumber(error === 'NONE' && !hasSeveral ? first : error),
      members: members.map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId ?? null,
        errorCode: errorNumber(member.error),
      })),
    });
  };
  askToLeave(groups, request.groupId, leaving, answer);
}

function joinOf(request: JoinGroupRequest, version: number, caller: Caller, uuid: string): JoinRequest {
  return {
    memberId: request.memberId,
    instanceId: request.groupInstanceId ?? undefined,
    clientId: caller.clientId,
    // As Java writes an address.
    clientHost: `/${caller.peer.slice(0, caller.peer.lastIndexOf(':'))}`,
    protocolType: request.protocolType,
    // Copies, as with what is assigned.
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: Uint8Array.from(metadata) })),
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    needsMemberId: version >= MEMBER_ID_REQUIRED_FROM,
    maySkipAssignment: version >= SKIP_ASSIGNMENT_FROM,
    reason: request.reason ?? undefined,
    uuid,
  };
}
