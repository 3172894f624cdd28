import { assert } from '@weir/base/assert.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import { BatchBuilder, stampProducer } from '@weir/records/batch-builder.ts';
import { NO_PRODUCER } from '@weir/records/batch-header.ts';
import type { BatchProducer } from '@weir/records/batch-header.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import type { Flight } from './partition-queue.ts';
import type { AcksWanted, ProducerRecord, SendCall } from './send-call.ts';

const NO_HEADERS: readonly RecordHeader[] = [];

/** The record as the builder takes it; one for all, since it keeps none. */
const scratch: {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly RecordHeader[];
  timestampMs: number;
} = { key: null, value: null, headers: NO_HEADERS, timestampMs: 0 };

/**
 * A batch from its first record until its outcome, with whose records they are. The records of one call come in runs:
 * `#calls[r]` sent the records from `#runEnds[r - 1]` up to `#runEnds[r]`, whose indexes in the call are `#indexes`.
 */
export class ProducerBatch {
  readonly acks: AcksWanted;
  /** On the monotonic clock. */
  readonly createdMs: number;
  /** Of the first call that has one. */
  traceparent = '';
  /** What it counts in the producer's buffer. */
  heldBytes = 0;
  /** How many batches its queue had sent before it was sent first. */
  number = -1;
  /** The try that is on its way; what became of an earlier one is not asked any more. */
  flight: Flight | undefined;
  /** How the leader has refused it since the last time that all was sent again. */
  refusedWith: ErrorCode | undefined;
  /** A try ended without saying whether it appended the batch. */
  mayBeThere = false;
  #builder: BatchBuilder | undefined;
  #bytes: Buffer | undefined;
  readonly #calls: SendCall[] = [];
  readonly #runEnds: number[] = [];
  readonly #indexes: number[] = [];

  constructor(options: { readonly maxBytes: number; readonly acks: AcksWanted; readonly createdMs: number }) {
    this.#builder = new BatchBuilder({ maxBytes: options.maxBytes });
    this.acks = options.acks;
    this.createdMs = options.createdMs;
  }

  /** Bytes on the wire, so far. */
  get bytes(): number {
    return this.#bytes?.length ?? this.#builder!.bytes;
  }

  /** Records in it, so far. */
  get count(): number {
    return this.#indexes.length;
  }

  /** What is sent, every time the same bytes until it is sealed again. */
  get sealed(): Buffer {
    assert(this.#bytes !== undefined, 'a batch is sealed before it is sent');
    return this.#bytes;
  }

  /** Adds record `index` of a call. False: it does not fit. */
  append(record: ProducerRecord, call: SendCall, index: number, sentMs: number): boolean {
    assert(this.#builder !== undefined, 'a sealed batch takes no records');
    scratch.key = record.key;
    scratch.value = record.value;
    scratch.headers = record.headers ?? NO_HEADERS;
    scratch.timestampMs = record.timestampMs ?? sentMs;
    if (!this.#builder.append(scratch)) return false;
    const last = this.#calls.length - 1;
    this.#indexes.push(index);
    if (last >= 0 && this.#calls[last] === call) {
      this.#runEnds[last] = this.#indexes.length;
    } else {
      this.#calls.push(call);
      this.#runEnds.push(this.#indexes.length);
      if (this.traceparent === '') this.traceparent = call.traceparent;
    }
    return true;
  }

  /** Gives it the place that it has among its producer's batches; it takes no more records. Not while it is on its way. */
  seal(producer: BatchProducer = NO_PRODUCER): void {
    if (this.#bytes === undefined) this.#bytes = this.#builder!.build(producer);
    else stampProducer(this.#bytes, producer);
    this.#builder = undefined;
  }

  /** Tells the calls where their records are. */
  delivered(baseOffset: number): void {
    let record = 0;
    for (let run = 0; run < this.#calls.length; run++) {
      const call = this.#calls[run]!;
      const start = record;
      for (const end = this.#runEnds[run]!; record < end; record++) {
        call.offset[this.#indexes[record]!] = baseOffset + record;
      }
      call.settle(record - start);
    }
  }

  /** Tells the calls why their records are not there. */
  refused(why: Refusal): void {
    let record = 0;
    for (let run = 0; run < this.#calls.length; run++) {
      const call = this.#calls[run]!;
      const start = record;
      for (const end = this.#runEnds[run]!; record < end; record++) call.refuse(this.#indexes[record]!, why);
      call.settle(record - start);
    }
  }
}
