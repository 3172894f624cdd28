import { create } from '@bufbuild/protobuf';
import { ERRORS } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler, Stream } from '@weir/base/transport.ts';
import {
  BrokerService,
  InitProducerIdResponseSchema,
  ProduceResponseSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type { ProduceRequest, ProduceResponse } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { ModelPartition } from './model-partition.ts';

const WINDOW_BYTES = 1_000_000;

/** What one producer's stream has brought and the broker has not read yet. It is read after the stream is over too. */
interface Inbox {
  readonly stream: Stream<ProduceResponse>;
  readonly requests: ProduceRequest[];
}

/** A broker that reads a request when it is told to: of any of its streams, each in order. */
export class ModelBroker {
  readonly id: number;
  readonly #partitions: readonly ModelPartition[];
  readonly #inboxes: Inbox[] = [];
  #producerIds = 0;
  /** The next batches are refused with these before anybody looks at them. */
  readonly refusals: ErrorCode[] = [];
  /** So many answers are lost. */
  answersLost = 0;

  readonly handlers: readonly Handler[] = [
    onStream(protobufMethod(BrokerService.method.produce), (stream) => {
      const window = { bytes: BigInt(WINDOW_BYTES) };
      stream.send(create(ProduceResponseSchema, { response: { case: 'window', value: window } }));
      const inbox: Inbox = { stream, requests: [] };
      this.#inboxes.push(inbox);
      return { message: (request) => void inbox.requests.push(request), drained: () => {}, closed: () => {} };
    }),
    onCall(protobufMethod(BrokerService.method.initProducerId), async () =>
      create(InitProducerIdResponseSchema, { producerId: BigInt(this.id * 1_000 + this.#producerIds++) }),
    ),
  ];

  /** @param partitions - of the one topic that there is */
  constructor(id: number, partitions: readonly ModelPartition[]) {
    this.id = id;
    this.#partitions = partitions;
  }

  /** Reads one request, of a stream that `choice` chooses among those that have brought any; -1: the newest. */
  read(choice: number): void {
    const full = this.#inboxes.filter(({ requests }) => requests.length > 0);
    const inbox = full.at(choice % full.length);
    if (inbox !== undefined) this.#take(inbox.stream, inbox.requests.shift()!);
  }

  /** Reads all there is. */
  readAll(): void {
    for (const { stream, requests } of this.#inboxes) {
      for (const request of requests.splice(0)) this.#take(stream, request);
    }
  }

  /** Refuses and loses nothing any more. */
  heal(): void {
    this.answersLost = 0;
    this.refusals.length = 0;
  }

  #take(stream: Stream<ProduceResponse>, { id, batches }: ProduceRequest): void {
    const results = batches.map(() => ({ errorCode: 0, message: '', baseOffset: -1n }));
    let open = batches.length;
    for (const [i, { partition, leaderEpoch, records }] of batches.entries()) {
      const answer = (outcome: number | ErrorCode): void => {
        if (typeof outcome === 'number') results[i]!.baseOffset = BigInt(outcome);
        else results[i] = { errorCode: ERRORS[outcome].number, message: outcome, baseOffset: -1n };
        open--;
        if (open > 0) return;
        if (this.answersLost > 0) this.answersLost--;
        else stream.send(create(ProduceResponseSchema, { response: { case: 'result', value: { id, results } } }));
      };
      const refused = this.refusals.shift();
      if (refused === undefined) this.#partitions[partition]!.take(this.id, leaderEpoch, records, answer);
      else answer(refused);
    }
  }
}
