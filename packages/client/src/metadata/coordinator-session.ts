import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, isErrorCode, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  GOODBYE_MS,
  HEARTBEATS_PER_TIMEOUT,
  METADATA_WAIT_MS,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  SESSION_OFFER_MS,
  SESSION_SILENCE_MS,
  SESSION_TIMEOUT_MS,
  SESSION_WELCOME_MS,
} from '@weir/base/limits.ts';
import type { Method, TransportFailure } from '@weir/base/transport.ts';
import { CoordinatorService, SessionRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  BrokerRegistrationSchema,
  SessionRequest,
  SessionResponse,
  Welcome,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { OpenedStream } from '../connections.ts';
import { CoordinatorLink, isLeaving } from '../coordinator-link.ts';
import type { ClientWorld } from '../world.ts';
import { ClusterImage } from './cluster-image.ts';
import type { Applied, ImageChange } from './cluster-image.ts';

const SESSION = protobufMethod(CoordinatorService.method.session);
const BACKOFF = { minMs: RECONNECT_MS_MIN, maxMs: RECONNECT_MS_MAX };

/** Who asks: a client that only follows the metadata, or a broker that registers. */
export type SessionMember =
  | { readonly kind: 'observer'; readonly name: string }
  | {
      readonly kind: 'broker';
      /** Asked for anew at every hello. */
      readonly registration: () => MessageInitShape<typeof BrokerRegistrationSchema>;
    };

/** What a welcome tells. */
export interface SessionWelcome {
  readonly clusterId: string;
  /** The revision of the registration; 0 for observers. */
  readonly brokerEpoch: number;
  /** It is the session from before the connection broke. */
  readonly resumed: boolean;
}

/** What a session tells its owner. */
export interface SessionHandlers {
  changed(image: ClusterImage, changes: readonly ImageChange[]): void;
  welcomed(welcome: SessionWelcome): void;
  /**
   * The coordinator ended the session or refused it. A retriable code is tried again as a new session unless the
   * owner closes this one; any other has closed it.
   */
  fenced(refusal: Refusal): void;
  /**
   * No heartbeat was answered for the session's timeout, or the coordinator has ended it: it counts as ended. The next welcome may
   * be to the same one all the same, where no coordinator was there to end it.
   */
  lost(): void;
}

interface CatchUp {
  readonly sequence: bigint;
  readonly done: (caughtUp: boolean) => void;
}

/** One life of a stream: what arrives for an older one is dropped. */
interface Attachment extends OpenedStream<SessionRequest> {
  welcomed: boolean;
}

/** A session that the coordinator has welcomed and that has not ended, whether or not a stream carries it now. */
interface Held {
  readonly timeoutMs: number;
  /** When the last answered heartbeat (or the hello) was sent. */
  answeredSentMs: number;
}

/**
 * Follows the coordinator: connects to the listed ones in turn, says hello, keeps the image current, sends heartbeats,
 * attaches to the same session when the connection breaks, and begins a new one when the coordinator has ended it.
 */
export class CoordinatorSession {
  readonly image = new ClusterImage();
  readonly #member: SessionMember;
  readonly #world: ClientWorld;
  readonly #handlers: SessionHandlers;
  readonly #link: CoordinatorLink;
  #clusterId: string;
  #failures = 0;
  #closed = false;
  #attached: Attachment | undefined;
  #held: Held | undefined;
  /**
   * The last session, which every hello offers until a coordinator says that it has ended: one that was away for longer than
   * its timeout gives all sessions theirs anew, and a broker that is registered still need not register again.
   */
  #sessionId = '';
  #sequence = 0n;
  /** Heartbeats without an answer yet: when each was sent. At most as many as go into a timeout. */
  #unanswered = new Map<bigint, number>();
  /** Wait for the answer to a heartbeat that was sent after they asked. */
  #catchUps: CatchUp[] = [];
  #nextCatchUps: ((caughtUp: boolean) => void)[] = [];
  /** Those who wait for a welcome. */
  readonly #waiting = new Set<() => void>();
  /** It has said goodbye: called when that is answered. */
  #left: (() => void) | undefined;
  #cancelRetry: Cancel | undefined;
  #cancelWelcomeWait: Cancel | undefined;
  #cancelHeartbeats: Cancel | undefined;

  constructor(
    options: { readonly coordinators: readonly string[]; readonly member: SessionMember; readonly clusterId?: string },
    world: ClientWorld,
    handlers: SessionHandlers,
  ) {
    this.#member = options.member;
    this.#world = world;
    this.#handlers = handlers;
    this.#clusterId = options.clusterId ?? '';
    this.#link = new CoordinatorLink(options.coordinators, world);
    // Not in the constructor's own turn: the owner is not complete yet.
    this.#cancelRetry = world.clock.after(0, () => this.#attach());
  }

  /** Whether a coordinator has welcomed us and the stream stands. */
  get attached(): boolean {
    return this.#attached?.welcomed === true;
  }

  /** The cluster that welcomed us; empty before that. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /**
   * Calls back once the image is at least as new as the coordinator's at the time of this call; false when the
   * connection broke before that.
   */
  catchUp(done: (caughtUp: boolean) => void): void {
    if (!this.attached) return this.#world.clock.endOfTurn(() => done(false));
    this.#nextCatchUps.push(done);
    // All that ask while one is under way share the next.
    if (this.#catchUps.length === 0) this.#heartbeat();
  }

  /** Returns once a coordinator has welcomed us, at once mostly, or when the time is over. */
  untilAttached(timeoutMs = METADATA_WAIT_MS): Promise<void> {
    if (this.attached || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#world.clock.after(timeoutMs, done);
      this.#waiting.add(done);
    });
  }

  /**
   * Asks the active coordinator something. While there is none it waits (METADATA_WAIT_MS at most); nothing that may
   * have been done is sent again.
   *
   * @throws WeirError (as a rejection): COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT, after which what was asked for may
   * have happened or not
   */
  call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    return this.#link.call(method, request, (withinMs) => this.untilAttached(withinMs));
  }

  /**
   * Ends the session on purpose, so that the coordinator need not wait for it, and closes. Returns once the coordinator has
   * ended it, or after GOODBYE_MS. Handlers are not called for it.
   */
  async leave(): Promise<void> {
    const attached = this.#attached;
    if (this.#closed || attached?.welcomed !== true) return this.close();
    await new Promise<void>((resolve) => {
      const cancel = this.#world.clock.after(GOODBYE_MS, resolve);
      this.#left = () => {
        cancel();
        resolve();
      };
      attached.stream.send(create(SessionRequestSchema, { request: { case: 'goodbye', value: {} } }));
    });
    this.close();
  }

  /** Ends the stream and tries no more. Handlers are not called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelHeartbeats?.();
    for (const done of this.#waiting) done();
    const attached = this.#detach();
    attached?.stream.end();
    attached?.stream.abort({ kind: 'broken', code: 'SHUTTING_DOWN', message: 'the client is closed' });
    this.#link.close();
  }

  #attach(): void {
    if (this.#closed || this.#attached !== undefined) return;
    const { clock } = this.#world;
    const helloMs = clock.monotonicMs();
    const offered = this.#sessionId;
    const opened = this.#link.open(SESSION, {
      message: (message) => {
        if (this.#attached === attachment) this.#receive(attachment, message, { helloMs, offered });
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#attached === attachment) this.#broken(failure);
      },
    });
    const attachment: Attachment = { ...opened, welcomed: false };
    this.#attached = attachment;
    const member = this.#member;
    attachment.stream.send(
      create(SessionRequestSchema, {
        request: {
          case: 'hello',
          value: {
            clusterId: this.#clusterId,
            sessionId: offered,
            member:
              member.kind === 'broker'
                ? { case: 'broker', value: member.registration() }
                : { case: 'observer', value: { name: member.name } },
          },
        },
      }),
    );
    // Whoever has nothing to write first answers at once, if it is there: another one may be by now.
    const isQuick = this.#held !== undefined || member.kind === 'observer';
    const waitMs = isQuick && this.#link.size > 1 ? SESSION_OFFER_MS : SESSION_WELCOME_MS;
    this.#cancelWelcomeWait = clock.after(waitMs, () => {
      attachment.cut();
      this.#abandon(`no welcome within ${waitMs} ms`);
    });
  }

  #receive(attachment: Attachment, { response }: SessionResponse, hello: { helloMs: number; offered: string }): void {
    switch (response.case) {
      case 'welcome':
        return this.#welcome(attachment, response.value, hello);
      case 'snapshotPage':
        return this.#applied(this.image.applyPage(response.value), 'snapshot');
      case 'delta':
        return this.#applied(this.image.applyDelta(response.value), 'delta');
      case 'heartbeatAnswer':
        return this.#answered(response.value.sequence);
      case 'fenced': {
        const { code, message, activeAddress } = response.value;
        if (code === 'NOT_CONTROLLER') return this.#redirected(activeAddress, message);
        return this.#fence(refusal(isErrorCode(code) ? code : 'UNKNOWN_SERVER_ERROR', message));
      }
      case undefined:
        // A kind of message that a newer coordinator knows and we do not.
        return;
    }
  }

  #welcome(attachment: Attachment, welcome: Welcome, hello: { helloMs: number; offered: string }): void {
    this.#cancelWelcomeWait?.();
    attachment.welcomed = true;
    this.#failures = 0;
    this.#clusterId = welcome.clusterId;
    // Observers have no session to lose; to them the timeout tells a dead stream from a quiet one.
    const timeoutMs = welcome.sessionTimeoutMs || SESSION_TIMEOUT_MS;
    const resumed = hello.offered !== '' && hello.offered === welcome.sessionId;
    this.#sessionId = welcome.sessionId;
    this.#held = { timeoutMs, answeredSentMs: hello.helloMs };
    this.#unanswered.clear();
    this.#cancelHeartbeats?.();
    const heartbeatMs = timeoutMs / HEARTBEATS_PER_TIMEOUT;
    this.#cancelHeartbeats = this.#world.clock.every(heartbeatMs, () => this.#tick());
    // A welcome that came late has used up the time for the first one.
    if (this.#world.clock.monotonicMs() - hello.helloMs >= heartbeatMs) this.#heartbeat();
    this.#handlers.welcomed({ clusterId: welcome.clusterId, brokerEpoch: Number(welcome.brokerEpoch), resumed });
    for (const done of this.#waiting) done();
  }

  #applied(applied: Applied, what: string): void {
    if (applied.kind === 'applied') return this.#handlers.changed(this.image, applied.changes);
    if (applied.kind !== 'stale' || what !== 'snapshot') return;
    // It comes from a coordinator that is behind, and whose deltas would leave holes. Another one has taken its place.
    if (this.#attached !== undefined) this.#link.passOver(this.#attached.address);
    this.#abandon('its metadata is older than what is known');
  }

  #answered(sequence: bigint): void {
    const sentMs = this.#unanswered.get(sequence);
    if (sentMs === undefined || this.#held === undefined) return;
    this.#held.answeredSentMs = sentMs;
    for (const earlier of this.#unanswered.keys()) if (earlier <= sequence) this.#unanswered.delete(earlier);
    const caughtUp = this.#catchUps.filter((waiting) => waiting.sequence <= sequence);
    this.#catchUps = this.#catchUps.filter((waiting) => waiting.sequence > sequence);
    for (const { done } of caughtUp) done(true);
    if (this.#nextCatchUps.length > 0 && this.#catchUps.length === 0) this.#heartbeat();
  }

  /** Six times in a timeout, whether a stream stands or not. */
  #tick(): void {
    const held = this.#held;
    if (held === undefined) return;
    const silentMs = this.#world.clock.monotonicMs() - held.answeredSentMs;
    if (silentMs >= held.timeoutMs) return this.#lose();
    if (!this.attached) return;
    const isSilent = silentMs >= SESSION_SILENCE_MS && this.#unanswered.size > 0;
    if (isSilent && this.#link.size > 1) return this.#seekAnother();
    this.#heartbeat();
  }

  /** No heartbeat was answered for a while: another coordinator may have taken over, to which the session is offered in time. */
  #seekAnother(): void {
    if (this.#attached !== undefined) {
      this.#attached.cut();
      this.#link.passOver(this.#attached.address);
    }
    this.#abandon(`no heartbeat was answered for ${SESSION_SILENCE_MS} ms`);
  }

  /** It is not the active one, and names the one that it takes for it. */
  #redirected(activeAddress: string, why: string): void {
    if (this.#attached !== undefined) this.#link.redirect(this.#attached.address, activeAddress);
    this.#detach()?.stream.abort({ kind: 'refused', code: 'NOT_CONTROLLER', message: why });
    this.#retry(why);
  }

  #heartbeat(): void {
    const sequence = ++this.#sequence;
    this.#unanswered.set(sequence, this.#world.clock.monotonicMs());
    for (const done of this.#nextCatchUps) this.#catchUps.push({ sequence, done });
    this.#nextCatchUps = [];
    const appliedRevision = BigInt(Math.max(0, this.image.revision));
    this.#attached?.stream.send(
      create(SessionRequestSchema, { request: { case: 'heartbeat', value: { sequence, appliedRevision } } }),
    );
  }

  #lose(): void {
    this.#endHeld();
    const attached = this.#detach();
    attached?.stream.abort({ kind: 'broken', code: 'SESSION_EXPIRED', message: 'no heartbeat was answered' });
    attached?.cut();
    this.#handlers.lost();
    if (attached !== undefined) this.#retry('no heartbeat was answered for the session timeout');
  }

  #fence(why: Refusal): void {
    if (this.#left !== undefined) return this.#left();
    const hadSession = this.#held !== undefined;
    this.#endHeld();
    this.#detach()?.stream.abort({ kind: 'refused', ...why });
    if (why.code === 'SESSION_EXPIRED') this.#sessionId = '';
    if (why.code === 'SESSION_EXPIRED' && hadSession) {
      this.#handlers.lost();
    } else {
      if (!ERRORS[why.code].retriable) {
        this.#world.logger.error({ code: why.code }, `the coordinator refuses the session for good: ${why.message}`);
        this.close();
      }
      this.#handlers.fenced(why);
    }
    this.#retry(why.message);
  }

  #broken(failure: TransportFailure | undefined): void {
    if (this.#left !== undefined) return this.#left();
    const attached = this.#detach();
    // Its session waits elsewhere now.
    if (attached?.welcomed === true && failure !== undefined && isLeaving(failure))
      this.#link.passOver(attached.address);
    this.#retry(failure?.message ?? 'the coordinator ended the stream');
  }

  /** Gives up a stream that still stands. */
  #abandon(why: string): void {
    this.#detach()?.stream.abort({ kind: 'broken', code: 'COORDINATOR_UNAVAILABLE', message: why });
    this.#retry(why);
  }

  #detach(): Attachment | undefined {
    const attached = this.#attached;
    this.#attached = undefined;
    this.#cancelWelcomeWait?.();
    this.image.dropGathering();
    const waiting = [...this.#catchUps.map(({ done }) => done), ...this.#nextCatchUps];
    this.#catchUps = [];
    this.#nextCatchUps = [];
    for (const done of waiting) done(false);
    // The first try after a broken stream goes to the same coordinator: the session waits there for a moment only.
    if (attached?.welcomed === false) this.#link.passOver(attached.address);
    return attached;
  }

  #endHeld(): void {
    this.#held = undefined;
    this.#unanswered.clear();
    this.#cancelHeartbeats?.();
  }

  #retry(why: string): void {
    if (this.#closed) return;
    this.#failures++;
    const waitMs = backoffMs(this.#failures, BACKOFF, this.#world.random);
    // Once at a start, when nobody is up yet; a long absence is worth a line now and then.
    if (this.#failures === 1 || this.#failures % 30 === 0) {
      this.#world.logger.warn({ next: this.#link.address, tries: this.#failures }, `no coordinator: ${why}`);
    }
    this.#cancelRetry?.();
    this.#cancelRetry = this.#world.clock.after(waitMs, () => this.#attach());
  }
}
