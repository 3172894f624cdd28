import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { refusal } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { characters } from '@weir/base/characters.ts';
import { CALL_DEADLINE_MS, CLIENT_NAME_LENGTH_MAX, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { addressProblem } from '@weir/base/options.ts';
import type { Clock } from '@weir/base/clock.ts';
import type { Stream, StreamHandlers } from '@weir/base/transport.ts';
import { KeepSessionResponseSchema } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type {
  KeepSessionRequest,
  KeepSessionResponse,
  OpenSession,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { Coordinator } from '../coordinator.ts';
import { NOT_CONFIRMED } from './office.ts';
import type { NamespaceHost, SessionHolder } from '../namespace-host.ts';

/** Where a stream stands. */
type Phase =
  | { readonly kind: 'expectsOpen' }
  | { readonly kind: 'opens' }
  | { readonly kind: 'holds'; readonly sessionId: string }
  | { readonly kind: 'closes' }
  | { readonly kind: 'over' };

/** Answers one client's session stream. */
export function acceptClientSession(
  coordinator: Coordinator,
  clock: Clock,
  stream: Stream<KeepSessionResponse>,
): StreamHandlers<KeepSessionRequest> {
  const session = new ClientSessionStream(coordinator.namespace, stream);
  const cancel = clock.after(CALL_DEADLINE_MS, () => session.expectOpen());
  const refused = coordinator.namespace.join(session);
  if (refused !== undefined) session.end(refused);
  return {
    message: (request) => session.message(request),
    drained: () => session.drained(),
    closed() {
      cancel();
      session.closed();
    },
  };
}

class ClientSessionStream implements SessionHolder {
  readonly #namespace: NamespaceHost;
  readonly #stream: Stream<KeepSessionResponse>;
  #phase: Phase = { kind: 'expectsOpen' };
  #full = false;
  /** The newest heartbeat that is still to be answered: whoever reads slowly gets the answer to that one alone. */
  #answer: bigint | undefined;

  constructor(namespace: NamespaceHost, stream: Stream<KeepSessionResponse>) {
    this.#namespace = namespace;
    this.#stream = stream;
  }

  message({ request }: KeepSessionRequest): void {
    const phase = this.#phase;
    if (phase.kind === 'over' || phase.kind === 'closes') return;
    switch (request.case) {
      case 'open':
        if (phase.kind === 'expectsOpen') this.#open(request.value);
        else this.end(refusal('INVALID_REQUEST', 'a session is opened once on a stream, and this is the second time'));
        return;
      case 'heartbeat':
        // One that overtakes the answer to the open is not due yet.
        if (phase.kind === 'opens') return;
        if (phase.kind === 'expectsOpen') return this.#expectedOpen('a heartbeat');
        // A session that has ended is not answered: its client must come to take it for lost.
        if (!this.#namespace.heartbeat(phase.sessionId)) return;
        this.#answer = request.value.sequence;
        if (!this.#full) this.#answerHeartbeat();
        return;
      case 'close':
        if (phase.kind === 'expectsOpen') return this.#expectedOpen('a close');
        if (phase.kind === 'holds') this.#close(phase.sessionId);
        return;
      case undefined:
        return this.end(refusal('INVALID_REQUEST', 'this request is none of open, heartbeat and close'));
    }
  }

  drained(): void {
    this.#full = false;
    this.#answerHeartbeat();
  }

  /** The client had time enough to say what it wants. */
  expectOpen(): void {
    if (this.#phase.kind !== 'expectsOpen') return;
    this.end(refusal('REQUEST_TIMED_OUT', `no session was asked for within ${CALL_DEADLINE_MS} ms`));
  }

  end(why: Refusal): void {
    this.#over(why.code, why.message);
  }

  abort(why: Refusal): void {
    if (this.#phase.kind === 'over') return;
    this.#stream.abort({ kind: 'refused', ...why });
    this.#leave();
  }

  closed(): void {
    this.#leave();
  }

  #expectedOpen(what: string): void {
    this.end(refusal('INVALID_REQUEST', `a session begins with an open, and this is ${what}`));
  }

  #open({ sessionId, name, gateway }: OpenSession): void {
    if (!this.#namespace.holds) return this.end(NOT_CONFIRMED);
    if (sessionId !== '') {
      if (this.#namespace.attach(sessionId, this)) return this.#hold(sessionId, true);
      return this.end(refusal('SESSION_EXPIRED', 'the session has ended: open a new one, and create its nodes again'));
    }
    const problem = openProblem(name, gateway);
    if (problem !== undefined) return this.end(refusal('INVALID_REQUEST', problem));
    this.#phase = { kind: 'opens' };
    const shown = gateway === undefined ? undefined : { id: gateway.id, httpAddress: gateway.httpAddress };
    this.#namespace.open({ name, gateway: shown }, (opened) => {
      if (typeof opened !== 'string') return this.end(opened);
      // Its connection may have broken in the meantime: nobody knows the session, and it ends soon.
      if (this.#phase.kind !== 'opens') return this.#namespace.leave(opened, this);
      this.#namespace.attach(opened, this);
      this.#hold(opened, false);
    });
  }

  #hold(sessionId: string, resumed: boolean): void {
    this.#phase = { kind: 'holds', sessionId };
    const owner = BigInt(this.#namespace.ownerOf(sessionId));
    this.#send({ case: 'opened', value: { sessionId, timeoutMs: SESSION_TIMEOUT_MS, owner, resumed } });
  }

  #close(sessionId: string): void {
    this.#phase = { kind: 'closes' };
    this.#namespace.close(sessionId, (refused) => this.#over(refused?.code ?? 'NONE', refused?.message ?? ''));
  }

  #over(code: ErrorCode, message: string): void {
    if (this.#phase.kind === 'over') return;
    this.#stream.send(sessionOverMessage({ code, message, activeAddress: '' }));
    this.#stream.end();
    this.#leave();
  }

  #leave(): void {
    const phase = this.#phase;
    if (phase.kind === 'over') return;
    this.#phase = { kind: 'over' };
    this.#namespace.part(this);
    if (phase.kind === 'holds') this.#namespace.leave(phase.sessionId, this);
  }

  #answerHeartbeat(): void {
    const sequence = this.#answer;
    this.#answer = undefined;
    if (sequence !== undefined) this.#send({ case: 'heartbeatAnswer', value: { sequence } });
  }

  #send(response: NonNullable<MessageInitShape<typeof KeepSessionResponseSchema>['response']>): void {
    if (!this.#stream.send(create(KeepSessionResponseSchema, { response }))) this.#full = true;
  }
}

/** The session is over, or could not begin here. */
export function sessionOverMessage({ code, message, activeAddress }: SessionOverMessage): KeepSessionResponse {
  const value = { code, message, activeAddress };
  return create(KeepSessionResponseSchema, { response: { case: 'over', value } });
}

type SessionOverMessage = Refusal & { readonly activeAddress: string };

function openProblem(name: string, gateway: OpenSession['gateway']): string | undefined {
  if (characters(name) > CLIENT_NAME_LENGTH_MAX)
    return `a client's name has at most ${CLIENT_NAME_LENGTH_MAX} characters`;
  if (gateway === undefined) return undefined;
  if (!/^[a-zA-Z0-9._-]{1,200}$/.test(gateway.id) || gateway.id === '.' || gateway.id === '..') {
    return `a gateway's id is made of a-z, A-Z, 0-9, ".", "_" and "-", and ${JSON.stringify(gateway.id.slice(0, 200))} is not`;
  }
  if (addressProblem(gateway.httpAddress) === undefined) return undefined;
  return `the gateway's HTTP address ${JSON.stringify(gateway.httpAddress.slice(0, 100))} is not host:port`;
}
