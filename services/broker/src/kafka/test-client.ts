import { assert } from '@weir/base/assert.ts';
import type { Api, RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import { FRAME_LENGTH_BYTES, readResponse, requestFrame } from '@weir/kafka/message.ts';
import type { KafkaSocket, SocketOwner } from './socket.ts';

/** How many of the bytes that are there come at once, given how many there are and how many there is room for. */
export type Cut = (available: number) => number;

const WHOLE: Cut = (available) => available;

/**
 * A connection without a network, as the runtime's sockets behave: where bytes go is asked for ahead of time, what is
 * written is looked at as late as it may be, and the end is told later.
 */
export class TestSocket implements KafkaSocket {
  readonly peerHost: string;
  readonly peer: string;
  paused = false;
  destroyed = false;
  /** Takes nothing of what is written. */
  isStuck = false;
  /** Brings bytes that were on their way even after it was paused. */
  isHeedless = false;
  cut: Cut = WHOLE;
  #owner: SocketOwner | undefined;
  #target: Buffer | undefined;
  #incoming: Buffer[] = [];
  #written: { readonly parts: readonly Uint8Array[]; readonly done: () => void }[] = [];
  #taken: Buffer[] = [];
  /** Of what was written, bytes that the network has taken although the write is not done. */
  #trickled = 0;

  constructor(peerHost = '10.0.0.1', port = 40_000) {
    this.peerHost = peerHost;
    this.peer = `${peerHost}:${port}`;
  }

  /** Whose it is from now on. */
  start(owner: SocketOwner): void {
    this.#owner = owner;
    this.#target = owner.buffer();
  }

  write(parts: readonly Uint8Array[], done: () => void): void {
    assert(parts.length > 0, 'something is written');
    if (this.destroyed) return done();
    this.#written.push({ parts, done });
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  destroy(): void {
    this.destroyed = true;
  }

  /** Whether its owner was told that it is over. */
  get isOver(): boolean {
    return this.#owner === undefined;
  }

  /** The client sends. */
  send(...parts: readonly Uint8Array[]): void {
    this.#incoming.push(Buffer.concat(parts));
  }

  /** Bytes that the client sent and that were not read. */
  get unread(): number {
    return this.#incoming.reduce((bytes, { length }) => bytes + length, 0);
  }

  /** Bytes that were written and not taken. */
  get untaken(): number {
    return this.#written.flatMap(({ parts }) => parts).reduce((bytes, { length }) => bytes + length, 0);
  }

  get unsentBytes(): number {
    return Math.max(0, this.untaken - this.#trickled);
  }

  /** A stuck client takes so many bytes all the same. */
  trickle(bytes: number): void {
    this.#trickled += bytes;
  }

  /** Lets happen what the network would do. Tells whether there was anything. */
  pump(): boolean {
    const moved = this.#read() || this.#take();
    if (!this.destroyed || this.#owner === undefined) return moved;
    for (const { done } of this.#written.splice(0)) done();
    this.#owner.closed();
    this.#owner = undefined;
    return true;
  }

  /** What has arrived at the client, in whole. Then it is forgotten. */
  received(): Buffer {
    return Buffer.concat(this.#taken.splice(0));
  }

  #read(): boolean {
    let moved = false;
    while (this.#incoming.length > 0 && !this.destroyed && (!this.paused || (moved && this.isHeedless))) {
      const first = this.#incoming[0]!;
      const target = this.#target!;
      assert(target.length > 0, 'there is room for what comes');
      const most = Math.min(first.length, target.length);
      const bytes = Math.max(1, Math.min(most, this.cut(most)));
      first.copy(target, 0, 0, bytes);
      if (bytes === first.length) this.#incoming.shift();
      else this.#incoming[0] = first.subarray(bytes);
      this.#owner!.received(bytes);
      this.#target = this.#owner!.buffer();
      moved = true;
    }
    return moved;
  }

  #take(): boolean {
    if (this.isStuck || this.destroyed) return false;
    const written = this.#written.splice(0);
    this.#trickled = 0;
    for (const { parts, done } of written) {
      for (const part of parts) this.#taken.push(Buffer.from(part));
      done();
    }
    return written.length > 0;
  }
}

/** An answer as the client understands it. */
export interface Answer<Response = any> {
  readonly correlationId: number;
  readonly api: string;
  readonly response: Response;
}

/** Speaks the protocol over a TestSocket. */
export class TestClient {
  readonly socket: TestSocket;
  readonly #settle: () => Promise<void>;
  readonly #asked = new Map<number, { readonly api: Api; readonly version: number }>();
  #rest = Buffer.alloc(0);
  #next = 1;

  /** `settle` lets the whole world go on until nothing more happens by itself. */
  constructor(socket: TestSocket, settle: () => Promise<void>) {
    this.socket = socket;
    this.#settle = settle;
  }

  /** Sends a request; tells its number. */
  send<A extends Api>(api: A, version: number, request: RequestToSend<A>): number {
    const correlationId = this.#next++;
    this.#asked.set(correlationId, { api, version });
    this.socket.send(...requestFrame(api, version, { correlationId, clientId: 'test' }, request));
    return correlationId;
  }

  /** Sends bytes with their length in front. An answer to `correlationId` would be read as that API's. */
  sendFrame(bytes: Buffer, expected?: { correlationId: number; api: Api; version: number }): void {
    if (expected !== undefined) this.#asked.set(expected.correlationId, expected);
    const length = Buffer.alloc(FRAME_LENGTH_BYTES);
    length.writeInt32BE(bytes.length);
    this.socket.send(length, bytes);
  }

  /** The answers that came since, in their order. */
  take(): Answer[] {
    let bytes = Buffer.concat([this.#rest, this.socket.received()]);
    const answers: Answer[] = [];
    while (bytes.length >= FRAME_LENGTH_BYTES) {
      const end = FRAME_LENGTH_BYTES + bytes.readInt32BE(0);
      if (bytes.length < end) break;
      const frame = bytes.subarray(FRAME_LENGTH_BYTES, end);
      const asked = this.#asked.get(frame.readInt32BE(0));
      assert(asked !== undefined, 'an answer is to something that was asked, and comes once');
      this.#asked.delete(frame.readInt32BE(0));
      answers.push({ api: asked.api.name, ...readResponse(asked.api, asked.version, frame) });
      bytes = bytes.subarray(end);
    }
    this.#rest = Buffer.from(bytes);
    return answers;
  }

  /** Sends a request, and tells its answer, which is the only one that is under way. */
  async ask<A extends Api>(api: A, version: number, request: RequestToSend<A>): Promise<ResponseOf<A>> {
    this.send(api, version, request);
    await this.#settle();
    const answers = this.take();
    assert(answers.length === 1, `${api.name} v${version} is answered once, not ${answers.length} times`);
    return answers[0]!.response as ResponseOf<A>;
  }

  /** The client is gone. */
  leave(): void {
    this.socket.destroy();
  }
}
