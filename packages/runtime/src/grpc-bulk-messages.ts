import type { Http2Stream } from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import { messageOf } from '@weir/base/errors.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Codec, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { GrpcFault, GrpcMessageReader } from './grpc-message-reader.ts';
import { GrpcSendQueue } from './grpc-send-queue.ts';
import type { SendQueueOwner } from './grpc-send-queue.ts';
import type { SessionMemory } from './http2-session-memory.ts';
import { received } from './scavenge.ts';

/** Where messages come from and go to. */
export interface BulkMessagesOptions {
  readonly stream: Http2Stream;
  readonly slabs: Slabs;
  readonly memory: SessionMemory;
  readonly incoming: Codec<any>;
  readonly outgoing: Codec<any>;
  /** What has come cannot be read on: nothing more of it is looked at. */
  readonly faulted: (fault: GrpcFault) => void;
}

/**
 * The messages of a bulk stream in both directions, on either side of it, and whether somebody still wants to know of
 * them. How a stream begins and ends is another matter on each side.
 */
export class BulkMessages implements SendQueueOwner {
  readonly stream: Http2Stream;
  readonly slabs: Slabs;
  readonly memory: SessionMemory;
  readonly #incoming: Codec<any>;
  readonly #outgoing: Codec<any>;
  readonly #faulted: (fault: GrpcFault) => void;
  readonly #reader: GrpcMessageReader;
  readonly #queue: GrpcSendQueue;
  #handlers: StreamHandlers<any> | undefined;
  /** The owner has not been told, and has not said, that it is over. */
  #open = true;
  /** No more messages from this side. */
  #ended = false;

  constructor({ stream, slabs, memory, incoming, outgoing, faulted }: BulkMessagesOptions) {
    this.stream = stream;
    this.slabs = slabs;
    this.memory = memory;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#faulted = faulted;
    this.#reader = new GrpcMessageReader(slabs);
    this.#queue = new GrpcSendQueue(this);
  }

  /** Somebody wants to know what becomes of it. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Messages can be sent. */
  get isSendable(): boolean {
    return this.#open && !this.#ended;
  }

  /** Of a message that is coming there is a part. */
  get isWithinMessage(): boolean {
    return this.#reader.isWithinMessage;
  }

  /** From now on the owner can be told of things. */
  begin(handlers: StreamHandlers<any>): void {
    this.#handlers = handlers;
  }

  /** Reads what comes, whose `grpc-encoding` is known by now. */
  read(encoding: string | undefined): void {
    this.#reader.encoding = encoding ?? 'identity';
    this.stream.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** Queues a message. False: hold back until `drained`. */
  send(message: unknown): boolean {
    if (!this.isSendable) return false;
    const { encode, encodeParts } = this.#outgoing;
    return this.#queue.push(encodeParts === undefined ? [encode(message)] : encodeParts(message));
  }

  /** No more messages from this side. Calls back when all are written, and never when the stream is over before that. */
  end(written: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.end(written);
  }

  drained(): void {
    if (this.#open) this.#handlers?.drained();
  }

  /** Tells the owner, once, that it is over. */
  close(failure: TransportFailure | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handlers?.closed(failure);
  }

  /** The owner does not want to know any more. */
  leave(): void {
    this.#open = false;
  }

  /** Forgets what has come, and what no write has begun for. */
  drop(): void {
    this.#reader.clear();
    this.#queue.drop();
  }

  /** The stream is over. */
  over(): void {
    this.#ended = true;
    this.#queue.close();
    this.#reader.clear();
  }

  #take(chunk: Buffer): void {
    received(chunk.length);
    // Frames still arrive until the other side knows that it is over.
    if (!this.#open) return;
    this.#reader.push(chunk);
    try {
      while (this.#open) {
        const bytes = this.#reader.next();
        if (bytes === undefined) return;
        try {
          this.#handlers?.message(this.#decode(bytes));
        } finally {
          this.slabs.release(bytes);
        }
      }
    } catch (error) {
      if (!(error instanceof GrpcFault)) throw error;
      this.#faulted(error);
    }
    this.#reader.clear();
  }

  /** @throws GrpcFault when the bytes are no such message */
  #decode(bytes: Buffer): unknown {
    try {
      return this.#incoming.decode(bytes);
    } catch (error) {
      throw new GrpcFault(Status.INTERNAL, `a message cannot be read: ${messageOf(error)}`);
    }
  }
}
