import { groupIdProblem, isTooLong, textProblem } from './group-id.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import type { GroupError } from './group-error.ts';
import { joinRefused, newMemberId, syncRefused } from './group-messages.ts';
import type {
  HeartbeatRequest,
  JoinRequest,
  JoinResponse,
  LeaveResponse,
  LeavingMember,
  SyncRequest,
  SyncResponse,
} from './group-messages.ts';
import type { HeldGroup } from './group-shard.ts';

/** What is asked of groups, by whichever road it comes: Kafka's protocol, or gRPC. Each `answer` is called once. */

/** JoinGroup: answered once the generation that the member joins is stored. */
export function askToJoin(
  groups: GroupCoordinator,
  groupId: string,
  request: JoinRequest,
  answer: (response: JoinResponse) => void,
): void {
  const shard = groupIdProblem(groupId) ?? memberProblem(request) ?? groups.shardFor(groupId);
  if (typeof shard === 'string') return answer(joinRefused(shard, request.memberId));
  shard.ask(groupId, (group, now) =>
    group.join(request, (answered) => answered.kind === 'joined' && answer(answered.response), now),
  );
}

/** What cannot be stored of a member is refused before it is one: no generation with it could be. */
function memberProblem(request: JoinRequest): GroupError | undefined {
  const { clientId, protocolType, protocols } = request;
  const stored = [newMemberId(request), clientId, protocolType, ...protocols.map(({ name }) => name)];
  return stored.some(isTooLong) ? 'UNKNOWN_SERVER_ERROR' : undefined;
}

/** SyncGroup: answered once what the leader has assigned is stored. */
export function askToSync(
  groups: GroupCoordinator,
  groupId: string,
  request: SyncRequest,
  answer: (response: SyncResponse) => void,
): void {
  const shard = groupIdProblem(groupId) ?? groups.shardOf(groupId);
  if (typeof shard === 'string') return answer(syncRefused(shard));
  if (shard.find(groupId) === undefined) return answer(syncRefused('UNKNOWN_MEMBER_ID'));
  shard.ask(groupId, (group, now) =>
    group.sync(request, (answered) => answered.kind === 'synced' && answer(answered.response), now),
  );
}

/** Heartbeat: its answer. */
export function heartbeatOf(groups: GroupCoordinator, groupId: string, request: HeartbeatRequest): GroupError {
  const shard = groupIdProblem(groupId) ?? groups.shardOf(groupId);
  // It would look for another coordinator and join anew; as it is, this one has its group in a moment.
  if (shard === 'COORDINATOR_LOAD_IN_PROGRESS') return 'NONE';
  return typeof shard === 'string' ? shard : shard.heartbeat(groupId, request);
}

/** LeaveGroup. */
export function askToLeave(
  groups: GroupCoordinator,
  groupId: string,
  leaving: readonly LeavingMember[],
  answer: (response: LeaveResponse) => void,
): void {
  const shard = groupIdProblem(groupId) ?? groups.shardOf(groupId);
  if (typeof shard === 'string') return answer({ error: shard, members: [] });
  if (shard.find(groupId) === undefined) {
    const members = leaving.map((member) => ({ ...member, error: 'UNKNOWN_MEMBER_ID' as const }));
    return answer({ error: 'NONE', members });
  }
  shard.ask(groupId, (group, now) =>
    group.leave(leaving, (answered) => answered.kind === 'left' && answer(answered.response), now),
  );
}

/** DeleteGroups: each of them once, in the order asked; answered once all that can be deleted is. */
export function deleteGroups(
  groups: GroupCoordinator,
  groupIds: readonly string[],
  answer: (results: ReadonlyMap<string, GroupError>) => void,
): void {
  const results = new Map<string, GroupError>(groupIds.map((groupId) => [groupId, 'NONE']));
  // One for the request itself, lest it is answered before all are asked.
  let open = results.size + 1;
  const close = (): void => {
    if (--open === 0) answer(results);
  };
  for (const groupId of results.keys()) {
    const done = (error: GroupError): void => {
      results.set(groupId, error);
      close();
    };
    const shard = textProblem(groupId) ?? groups.shardOf(groupId);
    if (typeof shard === 'string') done(shard);
    else if (shard.find(groupId) === undefined) done('GROUP_ID_NOT_FOUND');
    else {
      shard.ask(groupId, (group, now) =>
        group.delete((answered) => answered.kind === 'deleted' && done(answered.error), now),
      );
    }
  }
  close();
}

/** A group that is there, or why there is none. */
export function findGroup(groups: GroupCoordinator, groupId: string): HeldGroup | GroupError {
  const shard = textProblem(groupId) ?? groups.shardOf(groupId);
  return typeof shard === 'string' ? shard : (shard.find(groupId) ?? 'GROUP_ID_NOT_FOUND');
}

/** ListGroups: those in these states (none: in any), and whether there are more, which are still to be loaded. */
export function listGroups(
  groups: GroupCoordinator,
  states: readonly string[],
): { readonly error: GroupError; readonly listed: readonly HeldGroup[] } {
  const wanted = new Set(states.map((state) => state.toLowerCase()));
  const listed: HeldGroup[] = [];
  let error: GroupError = 'NONE';
  for (const shard of groups.shards()) {
    if (shard.problem === 'COORDINATOR_LOAD_IN_PROGRESS') error = shard.problem;
    for (const group of shard.groups()) {
      if (wanted.size === 0 || wanted.has(group.classic.state.toLowerCase())) listed.push(group);
    }
  }
  return { error, listed };
}
