import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import { CoordinatorService } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { World } from '@weir/runtime/world.ts';
import { NamespaceService } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { Coordinator } from '../coordinator.ts';
import { allocateProducerIds } from './allocate-producer-ids.ts';
import { alterConfigs } from './alter-configs.ts';
import { acceptClientSession } from './client-session-stream.ts';
import { createPartitions } from './create-partitions.ts';
import { createTopics } from './create-topics.ts';
import { deleteTopics } from './delete-topics.ts';
import { describeTopicIds } from './describe-topic-ids.ts';
import { getNode, listChildren, writeNodes } from './nodes.ts';
import { acceptSession } from './session-stream.ts';
import { acceptWatches } from './watch-stream.ts';

/** All that a coordinator answers. */
export function coordinatorHandlers(coordinator: Coordinator, { clock, random }: World): Handler[] {
  const { method } = CoordinatorService;
  const { method: nodes } = NamespaceService;
  const { namespace } = coordinator;
  return [
    onStream(protobufMethod(method.session), (stream) => acceptSession(coordinator, clock, stream)),
    onCall(protobufMethod(method.createTopics), (request) => createTopics(coordinator, random, request)),
    onCall(protobufMethod(method.createPartitions), (request) => createPartitions(coordinator, request)),
    onCall(protobufMethod(method.deleteTopics), (request) => deleteTopics(coordinator, clock, request)),
    onCall(protobufMethod(method.alterConfigs), (request, _metadata, peer) => alterConfigs(coordinator, request, peer)),
    onCall(protobufMethod(method.allocateProducerIds), (request) => allocateProducerIds(coordinator, request)),
    onCall(protobufMethod(method.describeTopicIds), async (request) => describeTopicIds(coordinator.image, request)),
    onStream(protobufMethod(nodes.keepSession), (stream) => acceptClientSession(coordinator, clock, stream)),
    onStream(protobufMethod(nodes.watch), (stream) => acceptWatches(coordinator, clock, stream)),
    onCall(protobufMethod(nodes.getNode), async (request) => getNode(namespace, request)),
    onCall(protobufMethod(nodes.listChildren), async (request) => listChildren(namespace, request)),
    onCall(protobufMethod(nodes.writeNodes), (request) => writeNodes(namespace, request)),
  ];
}
