import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, isErrorCode, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  HEARTBEATS_PER_TIMEOUT,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  SESSION_OFFER_MS,
  SESSION_SILENCE_MS,
  SESSION_WELCOME_MS,
} from '@weir/base/limits.ts';
import { KeepSessionRequestSchema, NamespaceService } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type {
  KeepSessionRequest,
  KeepSessionResponse,
  SessionOpened,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { OpenedStream } from '../connections.ts';
import type { ClientWorld } from '../world.ts';
import { isLeaving } from '../coordinator-link.ts';
import type { CoordinatorLink } from '../coordinator-link.ts';

const KEEP_SESSION = protobufMethod(NamespaceService.method.keepSession);
const BACKOFF = { minMs: RECONNECT_MS_MIN, maxMs: RECONNECT_MS_MAX };

/** How a session is opened. */
export interface SessionOptions {
  /** What the client calls itself. */
  readonly name: string;
  /** Set by gateways, which are shown below /gateways/ids while the session lives. */
  readonly gateway?: { readonly id: string; readonly httpAddress: string };
}

/** A session that the coordinator has opened. */
interface Held {
  readonly id: string;
  readonly owner: number;
  readonly timeoutMs: number;
  /** When the last answered heartbeat (or the open) was sent. */
  answeredSentMs: number;
}

/** One life of a stream: what arrives for an older one is dropped. */
interface Attachment extends OpenedStream<KeepSessionRequest> {
  readonly openSentMs: number;
  opened: boolean;
}

/**
 * A session with the coordinator, kept by heartbeats for as long as it can be: when the connection breaks it attaches again.
 * It counts as lost when the coordinator says so, or `timeout` after the last heartbeat that was answered had been sent: then
 * the coordinator may have ended it, and its ephemeral nodes. A session that is lost stays lost.
 */
export class NamespaceSession {
  readonly #link: CoordinatorLink;
  readonly #options: SessionOptions;
  readonly #world: ClientWorld;
  readonly #over = new AbortController();
  #opening: { readonly done: () => void; readonly failed: (why: Refusal) => void } | undefined;
  #attached: Attachment | undefined;
  #held: Held | undefined;
  #closing: (() => void) | undefined;
  #failures = 0;
  #sequence = 0n;
  /** Heartbeats without an answer: when each was sent. */
  readonly #unanswered = new Map<bigint, number>();
  #cancelRetry: Cancel | undefined;
  #cancelWait: Cancel | undefined;
  #cancelHeartbeats: Cancel | undefined;
  #cancelLoss: Cancel | undefined;

  /** Begins to open it; one of the two is called, once. */
  constructor(
    link: CoordinatorLink,
    options: SessionOptions,
    world: ClientWorld,
    opening: { readonly done: () => void; readonly failed: (why: Refusal) => void },
  ) {
    this.#link = link;
    this.#options = options;
    this.#world = world;
    this.#opening = opening;
    this.#cancelRetry = world.clock.after(0, () => this.#attach());
  }

  /** Whoever has it may act for the session; ephemeral nodes are created with it. */
  get id(): string {
    return this.#held?.id ?? '';
  }

  /** What others see of it, as `ephemeralOwner` of its nodes. */
  get owner(): number {
    return this.#held?.owner ?? 0;
  }

  /** Aborts when the session is lost or closed: its ephemeral nodes are gone, or may be at any moment. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Ends it now, and its nodes with it; resolves when the coordinator has done so, or cannot be told. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#over.signal.aborted) return resolve();
      if (this.#attached?.opened !== true) {
        this.#end('the session was closed');
        return resolve();
      }
      this.#closing = resolve;
      this.#send({ case: 'close', value: {} });
      this.#cancelWait = this.#world.clock.after(SESSION_WELCOME_MS, () => this.#end('the session was closed'));
    });
  }

  /** Gives it up without a word, as a process does that dies: the coordinator ends it when it does not come back. */
  abandon(why: string): void {
    this.#end(why);
  }

  #attach(): void {
    if (this.#over.signal.aborted || this.#attached !== undefined) return;
    const { clock } = this.#world;
    const { address } = this.#link;
    const opened = this.#link.open(KEEP_SESSION, {
      message: (message) => {
        if (this.#attached === attachment) this.#receive(attachment, message);
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#attached !== attachment) return;
        // Its session waits elsewhere now.
        if (failure !== undefined && isLeaving(failure)) this.#link.passOver(address);
        this.#broken(failure?.message ?? 'the coordinator ended the stream');
      },
    });
    const attachment: Attachment = { ...opened, openSentMs: clock.monotonicMs(), opened: false };
    this.#attached = attachment;
    const { name, gateway } = this.#options;
    const value = { sessionId: this.#held?.id ?? '', name, ...(gateway === undefined ? {} : { gateway }) };
    this.#send({ case: 'open', value });
    // Whoever is offered a session has nothing to write first, and another one may have it by now.
    const waitMs = this.#held !== undefined && this.#link.size > 1 ? SESSION_OFFER_MS : SESSION_WELCOME_MS;
    this.#cancelWait = clock.after(waitMs, () => {
      attachment.cut();
      this.#broken(`no answer within ${waitMs} ms`);
    });
  }

  #receive(attachment: Attachment, { response }: KeepSessionResponse): void {
    switch (response.case) {
      case 'opened':
        return this.#opened(attachment, response.value);
      case 'heartbeatAnswer':
        return this.#answered(response.value.sequence);
      case 'over': {
        const { code, message, activeAddress } = response.value;
        if (code === 'NONE') return this.#end('the session was closed');
        if (code === 'NOT_CONTROLLER') return this.#redirected(attachment, activeAddress, message);
        return this.#refused(refusal(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message));
      }
      case undefined:
        // A kind of message that a newer coordinator knows and we do not.
        return;
    }
  }

  #opened(attachment: Attachment, { sessionId: id, owner, timeoutMs }: SessionOpened): void {
    this.#cancelWait?.();
    attachment.opened = true;
    this.#failures = 0;
    this.#unanswered.clear();
    this.#held = { id, owner: Number(owner), timeoutMs, answeredSentMs: attachment.openSentMs };
    this.#expectLoss(this.#held);
    this.#cancelHeartbeats?.();
    const heartbeatMs = timeoutMs / HEARTBEATS_PER_TIMEOUT;
    this.#cancelHeartbeats = this.#world.clock.every(heartbeatMs, () => this.#heartbeat());
    // An answer that came late has used up the time for the first one.
    if (this.#world.clock.monotonicMs() - attachment.openSentMs >= heartbeatMs) this.#heartbeat();
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.done();
  }

  #answered(sequence: bigint): void {
    const sentMs = this.#unanswered.get(sequence);
    if (sentMs === undefined || this.#held === undefined) return;
    this.#held.answeredSentMs = sentMs;
    this.#expectLoss(this.#held);
    for (const earlier of this.#unanswered.keys()) if (earlier <= sequence) this.#unanswered.delete(earlier);
  }

  /** Counted from when it was sent: the coordinator counts from when it came, and so never ends it before us. */
  #expectLoss({ answeredSentMs, timeoutMs }: Held): void {
    const { clock } = this.#world;
    this.#cancelLoss?.();
    this.#cancelLoss = clock.after(Math.max(0, answeredSentMs + timeoutMs - clock.monotonicMs()), () => {
      this.#attached?.cut();
      this.#end('no heartbeat was answered for the session timeout');
    });
  }

  #heartbeat(): void {
    if (this.#attached?.opened !== true || this.#held === undefined) return;
    const silentMs = this.#world.clock.monotonicMs() - this.#held.answeredSentMs;
    if (silentMs >= SESSION_SILENCE_MS && this.#unanswered.size > 0 && this.#link.size > 1) {
      // Another coordinator may have taken over, to which the session is offered in time.
      this.#attached.cut();
      this.#link.passOver(this.#attached.address);
      return this.#broken(`no heartbeat was answered for ${SESSION_SILENCE_MS} ms`);
    }
    const sequence = ++this.#sequence;
    this.#unanswered.set(sequence, this.#world.clock.monotonicMs());
    this.#send({ case: 'heartbeat', value: { sequence } });
  }

  #redirected({ address }: Attachment, activeAddress: string, why: string): void {
    this.#link.redirect(address, activeAddress);
    this.#again(why);
  }

  #refused(why: Refusal): void {
    const isOver = this.#held !== undefined && why.code === 'SESSION_EXPIRED';
    if (isOver || !ERRORS[why.code].retriable) return this.#fail(why);
    this.#broken(why.message);
  }

  #broken(why: string): void {
    // The first try after a stream that stood goes to the same coordinator: the session waits there, and not for long.
    if (this.#attached !== undefined && !this.#attached.opened) this.#link.passOver(this.#attached.address);
    this.#again(why);
  }

  #again(why: string): void {
    if (this.#closing !== undefined) return this.#end(why);
    this.#detach()?.stream.abort({ kind: 'broken', code: 'COORDINATOR_UNAVAILABLE', message: why });
    this.#failures++;
    const waitMs = backoffMs(this.#failures, BACKOFF, this.#world.random);
    this.#world.logger.debug({ tries: this.#failures }, `no session: ${why}`);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#world.clock.after(waitMs, () => this.#attach());
  }

  #fail(why: Refusal): void {
    const opening = this.#opening;
    this.#opening = undefined;
    this.#end(why.message);
    opening?.failed(why);
  }

  #end(why: string): void {
    if (this.#over.signal.aborted) return;
    this.#cancelRetry?.();
    this.#cancelHeartbeats?.();
    this.#cancelLoss?.();
    const attached = this.#detach();
    attached?.stream.abort({ kind: 'broken', code: 'SESSION_EXPIRED', message: why });
    this.#closing?.();
    this.#over.abort(new Error(why));
  }

  #detach(): Attachment | undefined {
    const attached = this.#attached;
    this.#attached = undefined;
    this.#cancelWait?.();
    return attached;
  }

  #send(request: NonNullable<MessageInitShape<typeof KeepSessionRequestSchema>['request']>): void {
    this.#attached?.stream.send(create(KeepSessionRequestSchema, { request }));
  }
}
