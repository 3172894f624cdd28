import type { deleteGroups } from '@weir/kafka/apis/delete-groups.ts';
import type { describeGroups, DescribeGroupsResponse } from '@weir/kafka/apis/describe-groups.ts';
import type { listGroups } from '@weir/kafka/apis/list-groups.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import { deleteGroups as deleteAll, findGroup, listGroups as listAll } from '../group/group-calls.ts';
import { errorNumber } from './error-number.ts';
import type { Exchange } from './exchange.ts';
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
  const types = typesFilter.map((type) => type.toLowerCase());
  const { error, listed } = listAll(groups, statesFilter);
  const isAskedFor = types.length === 0 || types.includes(CLASSIC);
  exchange.answer({
    throttleTimeMs: 0,
    errorCode: errorNumber(error),
    groups: (isAskedFor ? listed : []).map(({ id: groupId, classic }) => ({
      groupId,
      protocolType: classic.protocolType ?? '',
      groupState: classic.state,
      groupType: CLASSIC,
    })),
  });
}

/** Answers DeleteGroups, once all that can be deleted is. */
export function answerDeleteGroups(groups: GroupCoordinator, exchange: Exchange<typeof deleteGroups>): void {
  deleteAll(groups, exchange.request.groupsNames, (deleted) => {
    const results = [...deleted].map(([groupId, error]) => ({ groupId, errorCode: errorNumber(error) }));
    exchange.answer({ throttleTimeMs: 0, results });
  });
}

function describe(groups: GroupCoordinator, groupId: string, version: number): DescribedGroup {
  const nothing = { groupId, errorMessage: null, groupState: '', protocolType: '', protocolData: '', members: [] };
  const group = findGroup(groups, groupId);
  if (group === 'GROUP_ID_NOT_FOUND') {
    const isError = version >= NOT_FOUND_FROM;
    return {
      ...nothing,
      groupState: 'Dead',
      errorCode: isError ? errorNumber(group) : 0,
      errorMessage: isError ? `Group ${groupId} not found.` : null,
    };
  }
  if (typeof group === 'string') return { ...nothing, errorCode: errorNumber(group) };
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
