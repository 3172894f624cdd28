import { create } from '@bufbuild/protobuf';
import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import { onCall, onStream } from '@weir/base/transport.ts';
import type { Handler, Stream } from '@weir/base/transport.ts';
import {
  BrokerService,
  DeleteRecordsResponseSchema,
  FetchResponseSchema,
  InitProducerIdResponseSchema,
  ListOffsetsResponseSchema,
  ProduceResponseSchema,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  FetchRequest,
  FetchResponse,
  InitProducerIdResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
  ProduceRequest,
  ProduceResponse,
} from '@weir/proto/weir/broker/v1/broker_pb.js';
import { baseOffsetOf, lastOffsetOf, recordCountOf, writeBaseOffset } from '@weir/records/batch-header.ts';
import { listRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { judge, refusedWith } from './known-producers.ts';

interface Reader {
  readonly stream: Stream<FetchResponse>;
  readonly id: bigint;
  readonly key: string;
  next: number;
  credit: number;
  toldEnd: boolean;
}

/** Keeps batches in memory and can be told to refuse, to hold answers back, or to know nothing. */
export class FakeBroker {
  /** Batches by "topic number/partition", as they came, with their offsets. */
  readonly logs = new Map<string, Buffer[]>();
  readonly requests: ProduceRequest[] = [];
  readonly subscribes: { readonly key: string; readonly offset: number; readonly leaderEpoch: number }[] = [];
  /** The next batches are refused with these, one each; 'none' lets one pass. */
  refusals: (ErrorCode | 'none')[] = [];
  /** The producer ids that it gave. */
  readonly producerIds: number[] = [];
  /** Why it gives none. */
  givesNoIds: ErrorCode | undefined;
  /** While true produce requests are taken and not answered; `release` answers them. */
  holds = false;
  /** It answers no calls and readers, and keeps its connections. */
  isSilent = false;
  /** Batches are taken, and nobody is told. */
  losesAnswers = false;
  windowBytes = 16 * 1024 * 1024;
  #held: (() => void)[] = [];
  readonly #readers = new Set<Reader>();

  readonly handlers: readonly Handler[] = [
    onStream(protobufMethod(BrokerService.method.produce), (stream) => {
      const window = { bytes: BigInt(this.windowBytes) };
      stream.send(create(ProduceResponseSchema, { response: { case: 'window', value: window } }));
      return {
        message: (request) => this.#produce(stream, request),
        drained: () => {},
        closed: () => {},
      };
    }),
    onStream(protobufMethod(BrokerService.method.fetch), (stream) => ({
      message: (request) => this.#fetch(stream, request),
      drained: () => {},
      closed: () => {
        for (const reader of this.#readers) if (reader.stream === stream) this.#readers.delete(reader);
      },
    })),
    onCall(protobufMethod(BrokerService.method.listOffsets), (request) => this.#listOffsets(request)),
    onCall(protobufMethod(BrokerService.method.deleteRecords), (request) => this.#deleteRecords(request)),
    onCall(protobufMethod(BrokerService.method.initProducerId), () => this.#initProducerId()),
  ];
  readonly #firstProducerId: number;

  /** @param firstProducerId - of those that it gives */
  constructor(firstProducerId = 1_000) {
    this.#firstProducerId = firstProducerId;
  }

  records(key: string): RecordView[] {
    return (this.logs.get(key) ?? []).flatMap((batch) => listRecords(batch));
  }

  values(key: string): string[] {
    return this.records(key).map(({ value }) => String(value));
  }

  release(): void {
    this.holds = false;
    for (const answer of this.#held.splice(0)) answer();
  }

  /** Ends a partition's subscriptions. */
  endReaders(key: string, code: ErrorCode): void {
    for (const reader of this.#readers) {
      if (reader.key !== key) continue;
      this.#readers.delete(reader);
      this.#frame(reader, { errorCode: ERRORS[code].number, message: code });
    }
  }

  append(key: string, records: Uint8Array): number {
    const log = this.logs.get(key) ?? [];
    this.logs.set(key, log);
    const batch = Buffer.from(records);
    const baseOffset = offset(endOf(log));
    writeBaseOffset(batch, 0, baseOffset);
    log.push(batch);
    for (const reader of this.#readers) if (reader.key === key) this.#serve(reader);
    return baseOffset;
  }

  #produce(stream: Stream<ProduceResponse>, request: ProduceRequest): void {
    this.requests.push(request);
    const answer = (): void => {
      const results = request.batches.map(({ topicId, partition, records }) => {
        const refused = this.refusals.shift() ?? 'none';
        return refused === 'none' ? this.#take(`${topicId[0]}/${partition}`, records) : refusedWith(refused);
      });
      if (this.losesAnswers) return;
      stream.send(create(ProduceResponseSchema, { response: { case: 'result', value: { id: request.id, results } } }));
    };
    if (this.holds) this.#held.push(answer);
    else answer();
  }

  #take(key: string, records: Uint8Array): { baseOffset: bigint; errorCode?: number } {
    const judged = judge(this.logs.get(key) ?? [], Buffer.from(records));
    if (judged.kind === 'refused') return refusedWith(judged.code);
    return { baseOffset: BigInt(judged.kind === 'duplicate' ? judged.baseOffset : this.append(key, records)) };
  }

  async #initProducerId(): Promise<InitProducerIdResponse> {
    if (this.givesNoIds !== undefined) throw new WeirError(this.givesNoIds, `no id: ${this.givesNoIds}`);
    const id = this.#firstProducerId + this.producerIds.length;
    this.producerIds.push(id);
    return create(InitProducerIdResponseSchema, { producerId: BigInt(id) });
  }

  #fetch(stream: Stream<FetchResponse>, { request }: FetchRequest): void {
    if (request.case === undefined || this.isSilent) return;
    const { subscription: id } = request.value;
    if (request.case === 'subscribe') {
      const { topicId, partition, creditBytes, leaderEpoch } = request.value;
      const from = Number(request.value.offset);
      const key = `${topicId[0]}/${partition}`;
      this.subscribes.push({ key, offset: from, leaderEpoch });
      const reader = { stream, id, key, next: from, credit: Number(creditBytes), toldEnd: false };
      if (reader.next > endOf(this.logs.get(key) ?? [])) {
        return this.#frame(reader, { errorCode: ERRORS.OFFSET_OUT_OF_RANGE.number, message: 'beyond the end' });
      }
      this.#readers.add(reader);
      return this.#serve(reader);
    }
    const reader = [...this.#readers].find((known) => known.stream === stream && known.id === id);
    if (reader === undefined) return;
    if (request.case === 'unsubscribe') return void this.#readers.delete(reader);
    reader.credit += Number(request.value.bytes);
    this.#serve(reader);
  }

  #serve(reader: Reader): void {
    for (const batch of this.logs.get(reader.key) ?? []) {
      if (lastOffsetOf(batch, 0) < reader.next) continue;
      if (reader.credit <= 0) return;
      reader.credit -= batch.length;
      reader.next = lastOffsetOf(batch, 0) + 1;
      reader.toldEnd = false;
      this.#frame(reader, { records: batch });
    }
    if (!reader.toldEnd) this.#frame(reader, {});
    reader.toldEnd = true;
  }

  #frame(reader: Reader, frame: { records?: Uint8Array; errorCode?: number; message?: string }): void {
    const highWatermark = BigInt(endOf(this.logs.get(reader.key) ?? []));
    reader.stream.send(create(FetchResponseSchema, { subscription: reader.id, highWatermark, ...frame }));
  }

  async #listOffsets(request: ListOffsetsRequest): Promise<ListOffsetsResponse> {
    if (this.isSilent) return new Promise(() => {});
    const results = request.partitions.map(({ topicId, partition, timestamp }) => {
      const key = `${topicId[0]}/${partition}`;
      const refused = this.refusals.shift() ?? 'none';
      if (refused !== 'none') return { errorCode: ERRORS[refused].number, message: refused };
      if (timestamp === -1n) return { offset: BigInt(endOf(this.logs.get(key) ?? [])), timestamp: -1n };
      if (timestamp === -2n) return { offset: 0n, timestamp: -1n };
      const found = this.records(key).find(({ timestampMs }) => BigInt(timestampMs) >= timestamp);
      return { offset: BigInt(found?.offset ?? -1), timestamp: BigInt(found?.timestampMs ?? -1) };
    });
    return create(ListOffsetsResponseSchema, { results });
  }

  async #deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResponse> {
    const results = request.partitions.map(({ topicId, partition, offset: before }) => {
      const end = endOf(this.logs.get(`${topicId[0]}/${partition}`) ?? []);
      const refused = this.refusals.shift() ?? (before > BigInt(end) ? 'OFFSET_OUT_OF_RANGE' : 'none');
      if (refused !== 'none') return { errorCode: ERRORS[refused].number, message: refused, lowWatermark: -1n };
      return { lowWatermark: before === -1n ? BigInt(end) : before };
    });
    return create(DeleteRecordsResponseSchema, { results });
  }
}

function endOf(log: readonly Buffer[]): number {
  const last = log.at(-1);
  return last === undefined ? 0 : baseOffsetOf(last, 0) + recordCountOf(last, 0);
}
