import type { deleteGroups } from '@weir/kafka/apis/delete-groups.ts';
import type { describeGroups, DescribeGroupsResponse } from '@weir/kafka/apis/describe-groups.ts';
import type { listGroups } from '@weir/kafka/apis/list-groups.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { GROUP_ERROR_NUMBERS } from '../group/group-error.ts';
import type { GroupError } from '../group/group-error.ts';
import type { Exchange } from './exchange.ts';
import { textProblem } from './group-id.ts';
import { GROUP_OPERATIONS, NO_OPERATIONS } from './operations.ts';

/** The version of DescribeGroups from which a group that is not there is an error (KIP-1043). */
const NOT_FOUND_FROM = 6;
/** What our groups are called where there are newer ones too. */
const CLASSIC = 'classic';

type DescribedGroup = DescribeGroupsResponse['groups'][number];

/** Answers DescribeGroups. */
export function answerDescribeGroups(groups: GroupCoordinator, exchange: Exchange<typeof describeGroups>): void {
  const { request, version } = exchange;
  const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : NO_OPERATIONS;
  const described = request.groups.map((groupId) => ({
    ...describe(groups, groupId, version),
    authorizedOperations,
  }));
  exchange.answer({ throttleTimeMs: 0, groups: described });
}

/** Answers ListGroups: those that this broker coordinates. */
export function answerListGroups(groups: GroupCoordinator, exchange: Exchange<typeof listGroups>): void {
  const { statesFilter, typesFilter } = exchange.request;
  const states = new Set(statesFilter.map((state) => state.toLowerCase()));
  const types = typesFilter.map((type) => type.toLowerCase());
  const listed = [];
  let error: GroupError = 'NONE';
  for (const shard of groups.shards()) {
    if (shard.problem === 'COORDINATOR_LOAD_IN_PROGRESS') error = shard.problem;
    if (types.length > 0 && !types.includes(CLASSIC)) continue;
    for (const { id: groupId, classic } of shard.groups()) {
      const { state } = classic;
      if (states.size > 0 && !states.has(state.toLowerCase())) continue;
      listed.push({ groupId, protocolType: classic.protocolType ?? '', groupState: state, groupType: CLASSIC });
    }
  }
  exchange.answer({ throttleTimeMs: 0, errorCode: GROUP_ERROR_NUMBERS[error], groups: listed });
}

/** Answers DeleteGroups, once all that can be deleted is. */
export function answerDeleteGroups(groups: GroupCoordinator, exchange: Exchange<typeof deleteGroups>): void {
  const results = [...new Set(exchange.request.groupsNames)].map((groupId) => ({ groupId, errorCode: 0 }));
  // One for the request itself, lest it is answered before all are asked.
  let open = results.length + 1;
  const close = (): void => {
    if (--open === 0) exchange.answer({ throttleTimeMs: 0, results });
  };
  for (const result of results) {
    const done = (error: GroupError): void => {
      result.errorCode = GROUP_ERROR_NUMBERS[error];
      close();
    };
    const { groupId } = result;
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

function describe(groups: GroupCoordinator, groupId: string, version: number): DescribedGroup {
  const nothing = { groupId, errorMessage: null, groupState: '', protocolType: '', protocolData: '', members: [] };
  const shard = textProblem(groupId) ?? groups.shardOf(groupId);
  if (typeof shard === 'string') return { ...nothing, errorCode: GROUP_ERROR_NUMBERS[shard] };
  const group = shard.find(groupId);
  if (group === undefined) {
    const isError = version >= NOT_FOUND_FROM;
    return {
      ...nothing,
      groupState: 'Dead',
      errorCode: isError ? GROUP_ERROR_NUMBERS.GROUP_ID_NOT_FOUND : 0,
      errorMessage: isError ? `Group ${groupId} not found.` : null,
    };
  }
  const { state, protocolType, protocol, members } = group.classic.describe();
  return {
    ...nothing,
    errorCode: 0,
    groupState: state,
    protocolType,
    protocolData: protocol,
    members: members.map(({ memberId, instanceId, clientId, clientHost, metadata, assignment }) => ({
      memberId,
      groupInstanceId: instanceId ?? null,
      clientId,
      clientHost,
      memberMetadata: metadata,
      memberAssignment: assignment,
    })),
  };
}
