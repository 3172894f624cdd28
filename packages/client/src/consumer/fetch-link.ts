import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { assert } from '@weir/base/assert.ts';
import { errorCodeOf } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { SUBSCRIPTIONS_MAX } from '@weir/base/limits.ts';
import type { Connection, Stream } from '@weir/base/transport.ts';
import { BrokerService, FetchRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { FetchRequest, FetchResponse } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';

const FETCH = protobufMethod(BrokerService.method.fetch);

/** What a reader asks of a leader. */
export interface LinkRequest {
  /** 16 bytes. */
  readonly topicId: Uint8Array;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly offset: number;
  readonly creditBytes: number;
}

/** A reader on a link. Nothing comes after `failed` or `broken`, nor after it was removed. */
export interface LinkReader {
  frame(records: Buffer, marks: { readonly highWatermark: number; readonly logStartOffset: number }): void;
  /** The broker ended the subscription. */
  failed(why: Refusal): void;
  /** The stream that carried it is over. */
  broken(why: Refusal): void;
}

/** The fetch stream to one broker, opened when first needed and again after it broke. */
export class FetchLink {
  readonly address: string;
  readonly #connection: Connection;
  #stream: Stream<FetchRequest> | undefined;
  #nextId = 1;
  readonly #readers = new Map<number, LinkReader>();

  constructor(address: string, connection: Connection) {
    this.address = address;
    this.#connection = connection;
  }

  get full(): boolean {
    return this.#readers.size >= SUBSCRIPTIONS_MAX;
  }

  /** Subscribes, and tells the number under which. */
  add(reader: LinkReader, request: LinkRequest): number {
    assert(!this.full, 'a stream has at most SUBSCRIPTIONS_MAX readers');
    const id = this.#nextId++;
    this.#readers.set(id, reader);
    this.#stream ??= this.#open();
    this.#send({
      case: 'subscribe',
      value: {
        subscription: BigInt(id),
        topicId: request.topicId,
        partition: request.partition,
        leaderEpoch: request.leaderEpoch,
        offset: BigInt(request.offset),
        creditBytes: BigInt(request.creditBytes),
      },
    });
    return id;
  }

  credit(id: number, bytes: number): void {
    this.#send({ case: 'credit', value: { subscription: BigInt(id), bytes: BigInt(bytes) } });
  }

  /** Frames under way are dropped from now on. */
  remove(id: number): void {
    if (this.#readers.delete(id)) this.#send({ case: 'unsubscribe', value: { subscription: BigInt(id) } });
  }

  /** Gives up the stream. */
  cut(why: Refusal): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.abort({ kind: 'broken', code: why.code, message: why.message });
    this.#fail(why);
  }

  // Requests are small and their number is bounded by frames and subscriptions: the stream's mark is not waited for.
  #send(request: NonNullable<MessageInitShape<typeof FetchRequestSchema>['request']>): void {
    this.#stream?.send(create(FetchRequestSchema, { request }));
  }

  #open(): Stream<FetchRequest> {
    const stream: Stream<FetchRequest> = this.#connection.open(FETCH, {
      message: (response) => {
        if (this.#stream === stream) this.#receive(response);
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        const message = `the broker at ${this.address}: ${failure?.message ?? 'ended the stream'}`;
        this.#fail({ code: failure?.code ?? 'SHUTTING_DOWN', message });
      },
    });
    return stream;
  }

  #receive(response: FetchResponse): void {
    const id = Number(response.subscription);
    const reader = this.#readers.get(id);
    if (reader === undefined) return;
    if (response.errorCode !== 0) {
      this.#readers.delete(id);
      return reader.failed({ code: errorCodeOf(response.errorCode), message: response.message });
    }
    const { records } = response;
    reader.frame(Buffer.from(records.buffer, records.byteOffset, records.byteLength), {
      highWatermark: Number(response.highWatermark),
      logStartOffset: Number(response.logStartOffset),
    });
  }

  #fail(why: Refusal): void {
    const readers = [...this.#readers.values()];
    this.#readers.clear();
    for (const reader of readers) reader.broken(why);
  }
}
