import type { Clock } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import {
  KAFKA_ANSWER_BYTES_QUEUED_MAX,
  KAFKA_HELD_BYTES_PER_SECOND_MIN,
  KAFKA_HOLD_GRACE_MS,
  KAFKA_IDLE_MS,
  KAFKA_IN_FLIGHT_BYTES_MAX,
  KAFKA_REQUESTS_IN_FLIGHT_MAX,
  KAFKA_STALL_MS,
} from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import { readRequestHead } from '@weir/kafka/header.ts';
import { readRequestBody, responseFrame } from '@weir/kafka/message.ts';
import { WireError, WireReader } from '@weir/kafka/wire-reader.ts';
import type { Turn } from '../partition/turn.ts';
import { unsupportedVersions } from './api-versions.ts';
import type { Caller, Handler } from './exchange.ts';
import type { FrameMemory } from './frame-memory.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameReaderOwner } from './frame-reader.ts';
import { Request } from './request.ts';
import type { RequestOwner } from './request.ts';
import type { KafkaSocket, SocketOwner } from './socket.ts';

/** Answers that are so short together go out in one piece. */
const COPIED_BYTES_MAX = 4_096;

/** What all connections share. */
export interface ConnectionParts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly memory: FrameMemory;
  /** See FrameReader. */
  readonly scratch: Buffer;
  readonly handlers: ReadonlyMap<number, Handler>;
  /** A request came in, and its answer went out. */
  readonly measure: (api: string, durationMs: number) => void;
  readonly closed: (connection: Connection) => void;
  /** A request could not be answered because of a bug. */
  readonly failed: (error: unknown, what: string) => void;
  /** The connection ends because of what its client did. */
  readonly refused: (peer: string, why: string) => void;
}

/**
 * One client: its requests, in the order in which they came, and their answers in the same order.
 *
 * Invariant: what was read and is not answered is bounded, and so are answers that the client has not taken; past that
 * it is not read from.
 */
export class Connection implements SocketOwner, FrameReaderOwner, RequestOwner {
  readonly #socket: KafkaSocket;
  readonly #parts: ConnectionParts;
  readonly #listener: string;
  readonly #reader: FrameReader;
  /** All that is not answered, oldest first: those that were begun, then those that were not. */
  #requests: Request[] = [];
  #begun = 0;
  #requestBytes = 0;
  /** Answers that the system has not taken yet. */
  #answerBytes = 0;
  /** What of them was left when that was looked at last. */
  #unsentBytes = 0;
  #paused = false;
  #closed = false;
  #flushing = false;
  /** Who sent the last request: mostly also the next one. */
  #caller: Caller | undefined;
  /** The large request that was arriving at the last look, and since when. */
  #held = { number: 0, sinceMs: 0 };
  /** When something last moved, in either direction. */
  #movedMs: number;
  readonly #flush = (): void => this.#send();

  constructor(socket: KafkaSocket, listener: string, parts: ConnectionParts) {
    this.#socket = socket;
    this.#listener = listener;
    this.#parts = parts;
    const { slabs, memory, scratch } = parts;
    this.#reader = new FrameReader({ owner: this, slabs, memory, scratch });
    this.#movedMs = parts.clock.monotonicMs();
  }

  get peerHost(): string {
    return this.#socket.peerHost;
  }

  /** Whether a request was read that is not answered. */
  get isBusy(): boolean {
    return this.#requests.length > 0 || this.#answerBytes > 0;
  }

  get open(): boolean {
    return (
      this.#requests.length < KAFKA_REQUESTS_IN_FLIGHT_MAX &&
      this.#requestBytes < KAFKA_IN_FLIGHT_BYTES_MAX &&
      this.#answerBytes < KAFKA_ANSWER_BYTES_QUEUED_MAX
    );
  }

  get takesLarge(): boolean {
    // Behind a request that may wait for minutes it would hold memory for as long.
    return this.#requests.every(({ handler }) => handler.pipelined);
  }

  buffer(): Buffer {
    return this.#reader.buffer();
  }

  received(bytes: number): void {
    this.#movedMs = this.#parts.clock.monotonicMs();
    this.#reader.received(bytes);
  }

  frame(bytes: Buffer): void {
    const pending = this.#arrived(bytes);
    if (pending === undefined) return;
    this.#requests.push(pending);
    this.#requestBytes += pending.bytes;
    this.begin();
  }

  stalled(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  memoryAgain(): void {
    this.#goOn();
  }

  broken(why: string): void {
    this.#parts.refused(this.#socket.peer, why);
    this.destroy();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.close();
    const { memory, slabs } = this.#parts;
    const requests = this.#requests;
    this.#requests = [];
    for (const request of requests) {
      const { frame, sent } = request;
      if (frame !== undefined) {
        memory.give(frame.length);
        slabs.release(frame);
      } else if (sent === undefined) {
        request.onGone();
      } else {
        slabs.releaseAll(sent);
      }
    }
    this.#parts.closed(this);
  }

  destroy(): void {
    this.#socket.destroy();
    this.closed();
  }

  /** Why it is to be ended, or undefined: nothing has moved for too long. */
  overdue(nowMs: number): string | undefined {
    const { unsentBytes } = this.#socket;
    // A large answer over a slow line takes long, and moves all the same.
    if (this.#answerBytes > 0 && unsentBytes < this.#unsentBytes) this.#movedMs = nowMs;
    this.#unsentBytes = unsentBytes;
    const stillMs = nowMs - this.#movedMs;
    if (this.#answerBytes > 0 && stillMs >= KAFKA_STALL_MS) return 'it does not take its answers';
    if (this.#holdsTooLong(nowMs)) return 'its request arrives too slowly for those who wait for memory';
    if (this.#requests.length > 0) return undefined;
    if (this.#reader.isWithinFrame && !this.#paused && stillMs >= KAFKA_STALL_MS) return 'its request does not arrive';
    return stillMs >= KAFKA_IDLE_MS ? 'it asks for nothing' : undefined;
  }

  #holdsTooLong(nowMs: number): boolean {
    const { held } = this.#reader;
    if (held === undefined || held.number !== this.#held.number)
      this.#held = { number: held?.number ?? 0, sinceMs: nowMs };
    if (held === undefined || !this.#parts.memory.isWanted) return false;
    const earnedMs = KAFKA_HOLD_GRACE_MS + (held.filledBytes * 1_000) / KAFKA_HELD_BYTES_PER_SECOND_MIN;
    return nowMs - this.#held.sinceMs > earnedMs;
  }

  /** Begins requests that may be begun; tells whether there was one. */
  begin(): boolean {
    let hasBegun = false;
    while (this.#begun < this.#requests.length && !this.#closed) {
      const next = this.#requests[this.#begun]!;
      if (!this.#mayBegin(next)) break;
      this.#begun++;
      hasBegun = true;
      this.#handle(next);
    }
    return hasBegun;
  }

  #mayBegin({ handler }: Request): boolean {
    if (this.#answerBytes >= KAFKA_ANSWER_BYTES_QUEUED_MAX || !handler.admits()) return false;
    if (this.#begun === 0) return true;
    // What is under way before it is pipelined as well, or it would not have let this one come so far.
    return handler.pipelined && this.#requests[this.#begun - 1]!.handler.pipelined;
  }

  /** Looks at the header; undefined when it was answered or the connection ended. */
  #arrived(frame: Buffer): Request | undefined {
    const { clock, handlers } = this.#parts;
    const { apiKey, apiVersion: version, correlationId } = readRequestHead(new WireReader(frame));
    const handler = handlers.get(apiKey);
    const sinceMs = clock.monotonicMs();
    if (handler?.api.has(version) === true) {
      const bytes = frame.length;
      return new Request(this, { handler, version, correlationId, sinceMs, bytes, frame, sent: undefined });
    }
    this.#drop(frame);
    if (apiKey === apiVersions.key && handler !== undefined) {
      // The one call that tells clients what they may ask answers any version: in the oldest form, which all can read.
      const sent = responseFrame(apiVersions, 0, correlationId, unsupportedVersions(handlers));
      const none = { bytes: 0, frame: undefined };
      this.#requests.push(new Request(this, { handler, version, correlationId, sinceMs, ...none, sent }));
      if (this.#begun === this.#requests.length - 1) this.#begun++;
      this.ready();
      return undefined;
    }
    const api = handler === undefined ? `API key ${apiKey}` : `${handler.api.name} v${version}`;
    this.broken(`it asks for ${api}, which is not served`);
    return undefined;
  }

  #handle(next: Request): void {
    const { frame, handler, version } = next;
    // It was answered as it came.
    if (frame === undefined) return this.ready();
    next.frame = undefined;
    // What is answered later may look into its request as long as it likes: only payload is worth not to be copied.
    const bytes = handler.pipelined ? frame : Buffer.from(frame);
    if (!handler.pipelined) this.#drop(frame);
    try {
      const { clientId, request } = readRequestBody(handler.api, version, bytes);
      next.begun(request, this.#callerOf(clientId ?? ''));
      const done = handler.handle(next);
      if (done instanceof Promise) done.catch((error: unknown) => this.#failed(error, handler, version));
    } catch (error) {
      if (error instanceof WireError) this.broken(`${handler.api.name} v${version}: ${error.message}`);
      else this.#failed(error, handler, version);
    } finally {
      if (handler.pipelined) this.#drop(frame);
    }
  }

  #callerOf(clientId: string): Caller {
    if (this.#caller?.clientId !== clientId) {
      this.#caller = { clientId, listener: this.#listener, peer: this.#socket.peer };
    }
    return this.#caller;
  }

  #failed(error: unknown, { api }: Handler, version: number): void {
    this.#parts.failed(error, `${api.name} v${version} of ${this.#socket.peer} failed: ${messageOf(error)}`);
    this.destroy();
  }

  answer(request: Request, response: unknown): void {
    if (this.#closed) return;
    const { handler, version, correlationId } = request;
    let parts: readonly Uint8Array[];
    try {
      parts = responseFrame(handler.api, version, correlationId, response);
    } catch (error) {
      // Whoever answers, in whatever turn, is not to fail for one client's answer.
      return this.#failed(error, handler, version);
    }
    for (const part of parts) this.#parts.slabs.retain(part);
    request.sent = parts;
    this.ready();
  }

  hangUp(why: string): void {
    if (!this.#closed) this.broken(why);
  }

  /** Answers go out at the end of the turn, all that are ready together. */
  ready(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    this.#parts.turn.send(this.#flush);
  }

  #send(): void {
    this.#flushing = false;
    if (this.#closed) return;
    const { clock, measure } = this.#parts;
    const nowMs = clock.monotonicMs();
    const parts: Uint8Array[] = [];
    let answered = 0;
    for (const { sent, handler, bytes, sinceMs } of this.#requests) {
      if (sent === undefined || answered === this.#begun) break;
      for (const part of sent) parts.push(part);
      this.#requestBytes -= bytes;
      measure(handler.api.name, nowMs - sinceMs);
      answered++;
    }
    if (answered === 0) return;
    this.#requests = answered === this.#requests.length ? [] : this.#requests.slice(answered);
    this.#begun -= answered;
    if (parts.length > 0) this.#write(parts);
    this.begin();
    this.#goOn();
  }

  #write(parts: readonly Uint8Array[]): void {
    const { clock, slabs } = this.#parts;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#answerBytes += bytes;
    this.#movedMs = clock.monotonicMs();
    // A part of its own costs the socket more than a copy of a few bytes.
    const isLittle = parts.length > 1 && bytes <= COPIED_BYTES_MAX;
    this.#socket.write(isLittle ? [Buffer.concat(parts)] : parts, () => {
      slabs.releaseAll(parts);
      this.#answerBytes -= bytes;
      if (this.#closed) return;
      this.#movedMs = clock.monotonicMs();
      this.begin();
      this.#goOn();
    });
  }

  /** Reads on, if that was stopped and there is room again. */
  #goOn(): void {
    if (!this.#paused || this.#closed || !this.open) return;
    this.#paused = false;
    this.#reader.goOn();
    if (!this.#paused && !this.#closed) this.#socket.resume();
  }

  #drop(frame: Buffer): void {
    this.#parts.memory.give(frame.length);
    this.#parts.slabs.release(frame);
  }
}
