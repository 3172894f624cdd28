import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { DescribeGroupsRequestSchema, GroupService } from '@weir/proto/weir/broker/v1/groups_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { TopicPartition } from './assignor.ts';
import { CONSUMER_PROTOCOL_TYPE, readAssignmentOr, readSubscription } from './consumer-messages.ts';
import { throwIfRefused } from './group-calls.ts';
import type { GroupCalls } from './group-calls.ts';

const DESCRIBE = protobufMethod(GroupService.method.describeGroups);

/** A group with its members. */
export interface GroupDescription {
  readonly groupId: string;
  readonly state: string;
  readonly protocolType: string;
  /** How partitions are assigned; empty unless the group is stable. */
  readonly protocol: string;
  readonly generation: number;
  readonly members: readonly GroupMemberDescription[];
}

/** Who is in a group. */
export interface GroupMemberDescription {
  readonly memberId: string;
  /** Of a static member. */
  readonly instanceId: string | undefined;
  readonly clientId: string;
  /** Where it came from, as "/10.0.0.1". */
  readonly clientHost: string;
  /** What it subscribes to, in a stable group of consumers. */
  readonly topics: readonly string[];
  /** What it reads, in a stable group of consumers. */
  readonly assignment: readonly TopicPartition[];
}

/** See `GroupAdmin.describe`. */
export async function describeGroup(calls: GroupCalls, groupId: string): Promise<GroupDescription> {
  const request = create(DescribeGroupsRequestSchema, { groupIds: [groupId] });
  const { groups } = await calls.ask(groupId, DESCRIBE, request, { outcomeOf: (answer) => answer.groups[0] });
  const group = groups[0];
  if (group === undefined) throw new WeirError('UNKNOWN_SERVER_ERROR', 'the broker left the group out');
  throwIfRefused(group);
  const { state, protocolType, protocol, generation } = group;
  const areConsumers = protocolType === CONSUMER_PROTOCOL_TYPE && protocol !== '';
  const members = group.members.map((member): GroupMemberDescription => {
    const { memberId, clientId, clientHost, metadata, assignment } = member;
    const instanceId = member.instanceId === '' ? undefined : member.instanceId;
    const isRead = areConsumers && metadata.length > 0;
    const topics = isRead ? readSubscription({ memberId, instanceId }, metadata).topics : [];
    const places = areConsumers ? readAssignmentOr(assignment, []) : [];
    return { memberId, instanceId, clientId, clientHost, topics, assignment: places };
  });
  return { groupId, state, protocolType, protocol, generation, members };
}
