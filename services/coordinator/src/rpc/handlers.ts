import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler, Stream, StreamHandlers } from '@weir/base/transport.ts';
import { CoordinatorService } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { World } from '@weir/runtime/world.ts';
import { NamespaceService } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { Coordinator } from '../coordinator.ts';
import { drainBroker, undrainBroker, unregisterBroker } from './administer-brokers.ts';
import { allocateProducerIds } from './allocate-producer-ids.ts';
import { alterConfigs } from './alter-configs.ts';
import { alterIsr } from './alter-isr.ts';
import { beginSession, endSession, touchSession } from './called-sessions.ts';
import { acceptClientSession, sessionOverMessage } from './client-session-stream.ts';
import { createPartitions } from './create-partitions.ts';
import { createTopics } from './create-topics.ts';
import { deleteTopics } from './delete-topics.ts';
import { describeTopicIds } from './describe-topic-ids.ts';
import { electLeaders } from './elect-leaders.ts';
import { fencedMessage } from './messages.ts';
import { getNode, listChildren, writeNodes } from './nodes.ts';
import { activeIn } from './office.ts';
import type { NotActive, Office } from './office.ts';
import { reportDoubtfulReplicas } from './report-doubtful-replicas.ts';
import { acceptSession } from './session-stream.ts';
import { acceptStandby } from './stand-by.ts';
import { acceptWatches } from './watch-stream.ts';

/** All that a coordinator answers. One that is not the active one refuses all of it. */
export function coordinatorHandlers(office: Office, { clock, random }: World): Handler[] {
  const { method } = CoordinatorService;
  const { method: nodes } = NamespaceService;

  /** A stream for the active coordinator; others say why not, and end it. */
  const streamed =
    <In, Out>(
      accept: (coordinator: Coordinator, stream: Stream<Out>) => StreamHandlers<In>,
      refuse: (stream: Stream<Out>, why: NotActive) => void,
    ) =>
    (stream: Stream<Out>): StreamHandlers<In> => {
      const { active } = office;
      if (active !== undefined) return accept(active, stream);
      refuse(stream, office.notActive());
      return NOTHING_MORE;
    };

  return [
    onStream(
      protobufMethod(method.session),
      streamed(
        (coordinator, stream) => acceptSession(coordinator, clock, stream),
        (stream, why) => {
          stream.send(fencedMessage(why));
          stream.end();
        },
      ),
    ),
    onStream(protobufMethod(method.standBy), (stream) => acceptStandby(office, stream)),
    onCall(protobufMethod(method.createTopics), async (request) => createTopics(activeIn(office), random, request)),
    onCall(protobufMethod(method.createPartitions), async (request) => createPartitions(activeIn(office), request)),
    onCall(protobufMethod(method.deleteTopics), async (request) => deleteTopics(activeIn(office), clock, request)),
    onCall(protobufMethod(method.alterConfigs), async (request, _metadata, peer) =>
      alterConfigs(activeIn(office), request, peer),
    ),
    onCall(protobufMethod(method.alterIsr), async (request) => alterIsr(activeIn(office), request)),
    onCall(protobufMethod(method.reportDoubtfulReplicas), async (request) =>
      reportDoubtfulReplicas(activeIn(office), request),
    ),
    onCall(protobufMethod(method.allocateProducerIds), async (request) =>
      allocateProducerIds(activeIn(office), request),
    ),
    onCall(protobufMethod(method.drainBroker), async (request, _metadata, peer) =>
      drainBroker(activeIn(office), request, peer),
    ),
    onCall(protobufMethod(method.undrainBroker), async (request, _metadata, peer) =>
      undrainBroker(activeIn(office), request, peer),
    ),
    onCall(protobufMethod(method.unregisterBroker), async (request, _metadata, peer) =>
      unregisterBroker(activeIn(office), request, peer),
    ),
    onCall(protobufMethod(method.electLeaders), async (request, _metadata, peer) =>
      electLeaders(activeIn(office), request, peer),
    ),
    onCall(protobufMethod(method.describeTopicIds), async (request) =>
      describeTopicIds(activeIn(office).image, request),
    ),
    onStream(
      protobufMethod(nodes.keepSession),
      streamed(
        (coordinator, stream) => acceptClientSession(coordinator, clock, stream),
        (stream, why) => {
          stream.send(sessionOverMessage(why));
          stream.end();
        },
      ),
    ),
    onCall(protobufMethod(nodes.beginSession), async (request) => beginSession(activeIn(office).namespace, request)),
    onCall(protobufMethod(nodes.touchSession), async (request) => touchSession(activeIn(office).namespace, request)),
    onCall(protobufMethod(nodes.endSession), async (request) => endSession(activeIn(office).namespace, request)),
    onStream(
      protobufMethod(nodes.watch),
      streamed(
        (coordinator, stream) => acceptWatches(coordinator, clock, stream),
        (stream, why) => stream.abort({ kind: 'refused', code: why.code, message: why.message }),
      ),
    ),
    onCall(protobufMethod(nodes.getNode), async (request) => getNode(activeIn(office).namespace, request)),
    onCall(protobufMethod(nodes.listChildren), async (request) => listChildren(activeIn(office).namespace, request)),
    onCall(protobufMethod(nodes.writeNodes), async (request) => writeNodes(activeIn(office).namespace, request)),
  ];
}

/** Of a stream that was refused: what still comes is for nobody. */
const NOTHING_MORE: StreamHandlers<unknown> = { message: () => {}, drained: () => {}, closed: () => {} };
