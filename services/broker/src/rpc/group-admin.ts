import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { GROUPS_PER_REQUEST_MAX } from '@weir/base/group-limits.ts';
import {
  DeleteGroupsResponseSchema,
  DescribeGroupsResponseSchema,
  ListGroupsResponseSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  DescribedGroupSchema,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  ListGroupsRequest,
  ListGroupsResponse,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import { deleteGroups as deleteAll, findGroup, listGroups as listAll } from '../group/group-calls.ts';
import type { GroupCoordinator } from '../group/group-coordinator.ts';
import type { GroupError } from '../group/group-error.ts';
import { checkCount } from './check-count.ts';
import { outcomeOf } from './group-answer.ts';

/** DescribeGroups. @throws WeirError INVALID_REQUEST */
export function describeGroups(groups: GroupCoordinator, { groupIds }: DescribeGroupsRequest): DescribeGroupsResponse {
  checkCount(groupIds.length, GROUPS_PER_REQUEST_MAX, 'groups');
  return create(DescribeGroupsResponseSchema, { groups: groupIds.map((groupId) => describe(groups, groupId)) });
}

/** ListGroups: those that this broker coordinates. */
export function listGroups(groups: GroupCoordinator, { states }: ListGroupsRequest): ListGroupsResponse {
  const { error, listed } = listAll(groups, states);
  return create(ListGroupsResponseSchema, {
    ...outcomeOf(error),
    groups: listed.map(({ id: groupId, classic: { state, protocolType = '', memberCount } }) => ({
      groupId,
      state,
      protocolType,
      memberCount,
    })),
  });
}

/** DeleteGroups: answered once all that can be deleted is. @throws WeirError INVALID_REQUEST */
export async function deleteGroups(
  groups: GroupCoordinator,
  { groupIds }: DeleteGroupsRequest,
): Promise<DeleteGroupsResponse> {
  checkCount(groupIds.length, GROUPS_PER_REQUEST_MAX, 'groups');
  const deleted = await new Promise<ReadonlyMap<string, GroupError>>((resolve) => deleteAll(groups, groupIds, resolve));
  return create(DeleteGroupsResponseSchema, { results: groupIds.map((groupId) => outcomeOf(deleted.get(groupId)!)) });
}

function describe(groups: GroupCoordinator, groupId: string): MessageInitShape<typeof DescribedGroupSchema> {
  const group = findGroup(groups, groupId);
  if (typeof group === 'string') return { ...outcomeOf(group), groupId };
  const { classic } = group;
  const { state, protocolType, protocol, members } = classic.describe();
  return {
    ...outcomeOf('NONE'),
    groupId,
    state,
    protocolType,
    protocol,
    generation: classic.generation,
    members: members.map(({ instanceId = '', ...member }) => ({ ...member, instanceId })),
  };
}
