import type { Random } from '@weir/base/random.ts';
import { onCall } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import { GroupService } from '@weir/proto/weir/broker/v1/groups_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { deleteGroups, describeGroups, listGroups } from './group-admin.ts';
import { heartbeat, joinGroup, leaveGroup, syncGroup } from './group-members.ts';
import { commitOffsets, deleteOffsets, fetchOffsets } from './group-offsets.ts';
import type { GroupOffsetsParts } from './group-offsets.ts';

/** What groups need of the rest. */
export interface GroupServiceParts extends GroupOffsetsParts {
  readonly random: Random;
}

/** The calls of consumer groups over gRPC: the twins of those of Kafka's protocol, about the same groups. */
export function groupHandlers(parts: GroupServiceParts): Handler[] {
  const { groups } = parts;
  const { method } = GroupService;
  return [
    onCall(protobufMethod(method.joinGroup), (request, _metadata, peer) => joinGroup(parts, request, peer)),
    onCall(protobufMethod(method.syncGroup), (request) => syncGroup(groups, request)),
    onCall(protobufMethod(method.heartbeat), async (request) => heartbeat(groups, request)),
    onCall(protobufMethod(method.leaveGroup), (request) => leaveGroup(groups, request)),
    onCall(protobufMethod(method.commitOffsets), (request) => commitOffsets(parts, request)),
    onCall(protobufMethod(method.fetchOffsets), async (request) => fetchOffsets(groups, request)),
    onCall(protobufMethod(method.deleteOffsets), (request) => deleteOffsets(groups, request)),
    onCall(protobufMethod(method.describeGroups), async (request) => describeGroups(groups, request)),
    onCall(protobufMethod(method.listGroups), async (request) => listGroups(groups, request)),
    onCall(protobufMethod(method.deleteGroups), (request) => deleteGroups(groups, request)),
  ];
}
