import { brokerId, topicId, uuidFromBytes } from '@weir/base/ids.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  CALL_DEADLINE_MS,
  CLUSTER_PARTITIONS_MAX,
  CONFIG_VALUE_LENGTH_MAX,
  SESSION_TIMEOUT_MS,
} from '@weir/base/limits.ts';
import { listenersProblem } from '@weir/base/listeners.ts';
import { addressProblem } from '@weir/base/options.ts';
import type { Clock } from '@weir/base/clock.ts';
import type { Stream, StreamHandlers } from '@weir/base/transport.ts';
import type {
  BrokerRegistration,
  Hello,
  SessionRequest,
  SessionResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Coordinator, Member } from '../coordinator.ts';
import type { DoubtfulReplica } from '../controller/brokers.ts';
import type { BrokerRecord } from '../controller/image.ts';
import { doubtOf } from './doubts.ts';
import { Feed } from './feed.ts';
import { fencedMessage, welcomeMessage } from './messages.ts';
import { NOT_CONFIRMED } from './office.ts';

/** Where a stream stands. */
type Phase =
  | { readonly kind: 'expectsHello' }
  | { readonly kind: 'registers' }
  | { readonly kind: 'follows'; readonly feed: Feed; readonly sessionId: string | undefined }
  | { readonly kind: 'over' };

/** Answers one client's session stream. */
export function acceptSession(
  coordinator: Coordinator,
  clock: Clock,
  stream: Stream<SessionResponse>,
): StreamHandlers<SessionRequest> {
  const session = new SessionStream(coordinator, stream);
  const cancel = clock.after(CALL_DEADLINE_MS, () => session.expectHello());
  const refused = coordinator.join(session);
  if (refused !== undefined) session.fence(refused);
  return {
    message: (request) => session.message(request),
    drained: () => session.drained(),
    closed() {
      cancel();
      session.closed();
    },
  };
}

class SessionStream implements Member {
  readonly #coordinator: Coordinator;
  readonly #stream: Stream<SessionResponse>;
  #phase: Phase = { kind: 'expectsHello' };

  constructor(coordinator: Coordinator, stream: Stream<SessionResponse>) {
    this.#coordinator = coordinator;
    this.#stream = stream;
  }

  get feed(): Feed | undefined {
    return this.#phase.kind === 'follows' ? this.#phase.feed : undefined;
  }

  message({ request }: SessionRequest): void {
    const phase = this.#phase;
    if (phase.kind === 'over') return;
    switch (request.case) {
      case 'hello':
        if (phase.kind === 'expectsHello') this.#hello(request.value);
        else this.fence(refusal('INVALID_REQUEST', 'a session has one hello, and this is the second'));
        return;
      case 'heartbeat':
        // One that overtakes the welcome is not due yet.
        if (phase.kind === 'registers') return;
        if (phase.kind === 'expectsHello') {
          return this.fence(refusal('INVALID_REQUEST', 'a session begins with a hello, and this is a heartbeat'));
        }
        // A session that has ended is not answered: its client must come to take it for lost.
        if (!this.#coordinator.heartbeat(phase.sessionId, Number(request.value.appliedRevision))) return;
        phase.feed.answerHeartbeat(request.value.sequence);
        return;
      case 'goodbye':
        if (phase.kind === 'follows' && phase.sessionId !== undefined) this.#coordinator.endSession(phase.sessionId);
        else this.fence(refusal('INVALID_REQUEST', 'a goodbye ends a session, and there is none'));
        return;
      case undefined:
        return this.fence(refusal('INVALID_REQUEST', 'this request is no hello, no heartbeat and no goodbye'));
    }
  }

  drained(): void {
    this.feed?.drained();
  }

  /** The client had time enough to say who it is. */
  expectHello(): void {
    if (this.#phase.kind !== 'expectsHello') return;
    this.fence(refusal('REQUEST_TIMED_OUT', `no hello came within ${CALL_DEADLINE_MS} ms`));
  }

  fence(reason: Refusal): void {
    if (this.#phase.kind === 'over') return;
    this.#stream.send(fencedMessage(reason));
    this.#stream.end();
    this.#leave();
  }

  abort(reason: Refusal): void {
    if (this.#phase.kind === 'over') return;
    this.#stream.abort({ kind: 'refused', ...reason });
    this.#leave();
  }

  closed(): void {
    this.#leave();
  }

  #leave(): void {
    const phase = this.#phase;
    if (phase.kind === 'over') return;
    this.#phase = { kind: 'over' };
    this.#coordinator.leave(this, phase.kind === 'follows' ? phase.sessionId : undefined);
  }

  #hello(hello: Hello): void {
    const { clusterId, holds } = this.#coordinator;
    if (!holds) return this.fence(NOT_CONFIRMED);
    if (hello.clusterId !== '' && hello.clusterId !== clusterId) {
      const message = `this is cluster ${clusterId}, and the client belongs to ${hello.clusterId.slice(0, 100)}: it is connected to the wrong coordinator, or has another cluster's data directory`;
      return this.fence(refusal('INCONSISTENT_CLUSTER_ID', message));
    }
    switch (hello.member.case) {
      case 'observer':
        return this.#follow(undefined);
      case 'broker':
        return this.#register(hello, hello.member.value);
      case undefined:
        return this.fence(refusal('INVALID_REQUEST', 'a hello says whether a broker or an observer speaks'));
    }
  }

  #register({ sessionId, clusterId }: Hello, registration: BrokerRegistration): void {
    const problem = registrationProblem(registration);
    if (problem !== undefined) return this.fence(refusal('INVALID_REQUEST', problem));
    const broker = brokerOf(registration);
    if (this.#coordinator.attach(sessionId, { broker, member: this })) return this.#follow(sessionId);
    this.#phase = { kind: 'registers' };
    const earlierIncarnationIds = earlierRunsOf(registration, clusterId);
    this.#coordinator.register({ broker, earlierIncarnationIds, doubtful: doubtfulOf(registration) }, (result) => {
      if (result.kind === 'refused') return this.fence(result.refusal);
      // Its connection may have broken in the meantime: then the session waits for it, for as long as any other.
      if (this.#phase.kind !== 'registers') return this.#coordinator.leave(this, result.sessionId);
      this.#coordinator.attach(result.sessionId, { broker, member: this });
      this.#follow(result.sessionId);
    });
  }

  #follow(sessionId: string | undefined): void {
    const { image, clusterId } = this.#coordinator;
    const feed = new Feed(this.#stream, image, () => this.#coordinator.countSnapshot());
    this.#phase = { kind: 'follows', feed, sessionId };
    feed.begin(
      welcomeMessage({
        clusterId,
        sessionId: sessionId ?? '',
        sessionTimeoutMs: sessionId === undefined ? 0 : SESSION_TIMEOUT_MS,
        brokerEpoch: sessionId === undefined ? 0 : (image.sessions.get(sessionId)?.revision ?? 0),
      }),
    );
  }
}

function registrationProblem(registration: BrokerRegistration): string | undefined {
  const { brokerId: id, directoryId, incarnationId, rack, doubtfulReplicas } = registration;
  const { grpcAddress, kafkaAddress, replicationAddress } = registration;
  const { registeredIncarnationId, unsettledIncarnationIds } = registration;
  if (id < 0) return `a broker's id is 0 or more, not ${id}`;
  if (directoryId.length !== 16) return `a directory id has 16 bytes, not ${directoryId.length}`;
  if (incarnationId.length !== 16) return `an incarnation id has 16 bytes, not ${incarnationId.length}`;
  const registered = registeredIncarnationId.length === 0 ? [] : [registeredIncarnationId];
  const misfit = [...registered, ...unsettledIncarnationIds].find(({ length }) => length !== 16);
  if (misfit !== undefined) return `an incarnation id has 16 bytes, not ${misfit.length}`;
  if (addressProblem(grpcAddress) !== undefined) {
    return `the broker's gRPC address ${JSON.stringify(grpcAddress.slice(0, 100))} is not host:port`;
  }
  const kafkaProblem = kafkaAddress === '' ? undefined : listenersProblem(kafkaAddress);
  if (kafkaProblem !== undefined) {
    return `the broker's Kafka address ${JSON.stringify(kafkaAddress.slice(0, 100))} ${kafkaProblem}`;
  }
  if (replicationAddress !== '' && addressProblem(replicationAddress) !== undefined) {
    return `the broker's replication address ${JSON.stringify(replicationAddress.slice(0, 100))} is not host:port`;
  }
  if (rack.length > CONFIG_VALUE_LENGTH_MAX) return `a rack's name has at most ${CONFIG_VALUE_LENGTH_MAX} characters`;
  if (doubtfulReplicas.length > CLUSTER_PARTITIONS_MAX) {
    return `a broker has at most ${CLUSTER_PARTITIONS_MAX} doubtful replicas, not ${doubtfulReplicas.length}`;
  }
  const nameless = doubtfulReplicas.find((replica) => replica.topicId.length !== 16);
  return nameless === undefined ? undefined : `a topic id has 16 bytes, not ${nameless.topicId.length}`;
}

function brokerOf(registration: BrokerRegistration): BrokerRecord {
  return {
    id: brokerId(registration.brokerId),
    directoryId: uuidFromBytes(registration.directoryId),
    incarnationId: uuidFromBytes(registration.incarnationId),
    grpcAddress: registration.grpcAddress,
    kafkaAddress: registration.kafkaAddress,
    replicationAddress: registration.replicationAddress,
    rack: registration.rack,
  };
}

/**
 * The earlier runs that the directory knows. One that has joined the cluster and knows of no run that registered is of a Weir that
 * kept none, and nobody can tell how old it is; one that has not joined is new, or a copy from before it did.
 *
 * @param clusterId - that the directory has joined; empty for none
 */
function earlierRunsOf(
  { registeredIncarnationId: registered, unsettledIncarnationIds: unsettled }: BrokerRegistration,
  clusterId: string,
): string[] | undefined {
  if (registered.length > 0) return [registered, ...unsettled].map((id) => uuidFromBytes(id));
  return clusterId === '' ? unsettled.map((id) => uuidFromBytes(id)) : undefined;
}

function doubtfulOf({ doubtfulReplicas }: BrokerRegistration): DoubtfulReplica[] {
  return doubtfulReplicas.map((replica) => ({
    topicId: topicId(uuidFromBytes(replica.topicId)),
    partition: replica.partition,
    doubt: doubtOf(replica.reason),
  }));
}
