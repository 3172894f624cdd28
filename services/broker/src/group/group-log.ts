import { unreachable } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { GROUP_LOAD_READ_BYTES } from '@weir/base/group-limits.ts';
import { offset } from '@weir/base/ids.ts';
import type { LeaderEpoch, Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { ColdRead } from '@weir/log/log-read.ts';
import { BatchBuilder, singleRecordBatchBytes } from '@weir/records/batch-builder.ts';
import type { RecordView } from '@weir/records/record.ts';
import { readBatches, readRecords } from '@weir/records/read-records.ts';
import type { AppendWaiter } from '../partition/append-queue.ts';
import type { Partition } from '../partition/partition.ts';
import type { TailReader } from '../partition/partition-parts.ts';
import type { Turn } from '../partition/turn.ts';
import type { BeginRead, ColdGate } from '../rpc/cold-gate.ts';

/** A record to be stored. A null value is a tombstone. */
export interface RecordToStore {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/**
 * What became of records that were handed over together: all of them are committed, one behind the other from an offset on, or
 * none will ever be read.
 */
export type WriteOutcome =
  | { readonly kind: 'committed'; readonly offset: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What a log of groups tells whoever has it. */
export interface GroupLogEvents {
  /** While it loads: a record, in the log's order. Its bytes are good until this returns. */
  loaded(record: Pick<RecordView, 'key' | 'value' | 'offset'>): void;
  /** All that was there has been loaded, up to that offset. From now on records can be written. */
  ready(end: Offset): void;
  /** It is not led here any more, or nobody knows what became of a record: what is still to be told will not be. */
  over(why: Refusal): void;
}

/** What a log of groups needs. */
export interface GroupLogParts {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly coldGate: ColdGate;
}

/** Records that are written together, and who wants to know. */
interface Write {
  readonly records: readonly RecordToStore[];
  readonly done: (outcome: WriteOutcome) => void;
}

type Phase =
  /** In the hands of the loop, or parked at what is committed. */
  | { readonly kind: 'loads' }
  | { readonly kind: 'readsDisk'; readonly begin: BeginRead }
  | { readonly kind: 'ready' }
  | { readonly kind: 'over' };

/**
 * A partition of `__consumer_offsets` in one leader epoch, as this broker leads it: it is read once, from its start to its end, and then
 * only written to. All that is written in a turn goes in one batch; what was handed over together is never torn apart.
 *
 * Nobody else writes here. So when nothing is known of what became of a record, it is over, and another one begins by reading it all.
 */
export class GroupLog implements AppendWaiter, TailReader {
  /** A member of the partition's readers. */
  memberIndex = -1;
  readonly #partition: Partition;
  readonly #epoch: LeaderEpoch;
  readonly #parts: GroupLogParts;
  readonly #events: GroupLogEvents;
  #phase: Phase = { kind: 'loads' };
  #next: Offset;
  /** All that there was when it began: that has to be committed before anything is known. */
  readonly #until: Offset;
  #queue: Write[] = [];
  #isScheduled = false;
  /** By their slot. */
  readonly #onTheirWay = new Map<number, readonly Write[]>();
  #slots = 0;

  constructor(partition: Partition, epoch: LeaderEpoch, parts: GroupLogParts, events: GroupLogEvents) {
    this.#partition = partition;
    this.#epoch = epoch;
    this.#parts = parts;
    this.#events = events;
    this.#next = partition.logStartOffset;
    this.#until = partition.endOffset;
  }

  /** Begins to load. */
  begin(): void {
    this.#partition.readers.add(this);
    this.#loadSoon();
  }

  /**
   * Writes records, all in one batch. `done` is called once, in the order of the writes, but for those that are under way when it is
   * over: then it is never called.
   */
  write(records: readonly RecordToStore[], done: (outcome: WriteOutcome) => void): void {
    if (this.#phase.kind === 'over') return;
    this.#queue.push({ records, done });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.turn.sendFirst(() => {
      this.#isScheduled = false;
      this.#append();
    });
  }

  /** Lets go of it: nothing is told any more. */
  close(): void {
    if (this.#phase.kind === 'over') return;
    if (this.#phase.kind === 'readsDisk') this.#parts.coldGate.cancel(this.#phase.begin);
    this.#phase = { kind: 'over' };
    this.#partition.readers.remove(this);
    this.#queue = [];
    this.#onTheirWay.clear();
  }

  wake(): void {
    if (this.#phase.kind === 'loads') this.#loadSoon();
  }

  ended(why: Refusal): void {
    this.#end(why);
  }

  appended(slot: number, baseOffset: Offset): void {
    const writes = this.#onTheirWay.get(slot);
    this.#onTheirWay.delete(slot);
    let next: number = baseOffset;
    for (const { records, done } of writes ?? []) {
      done({ kind: 'committed', offset: next });
      next += records.length;
    }
  }

  /** It is in the log, and may be committed yet. */
  failed(_slot: number, why: Refusal): void {
    this.#end(why);
  }

  #end(why: Refusal): void {
    if (this.#phase.kind === 'over') return;
    this.close();
    this.#events.over(why);
  }

  #append(): void {
    const writes = this.#queue;
    this.#queue = [];
    const { messageBytesMax } = this.#partition.topic.settings;
    let batch: Write[] = [];
    let builder = new BatchBuilder({ maxBytes: messageBytesMax });
    for (const write of writes) {
      if (batch.length > 0 && builder.bytes + boundOf(write) > messageBytesMax) {
        this.#appendBatch(builder, batch);
        batch = [];
        builder = new BatchBuilder({ maxBytes: messageBytesMax });
      }
      if (this.#add(builder, write)) {
        batch.push(write);
      } else {
        const message = `what is to be stored of the group does not fit ${messageBytesMax} bytes, the largest batch of ${this.#partition.topic.name}`;
        this.#refuse([write], refusal('MESSAGE_TOO_LARGE', message));
        // What does not fit may be in the builder in part, and it was alone there.
        builder = new BatchBuilder({ maxBytes: messageBytesMax });
      }
    }
    if (batch.length > 0) this.#appendBatch(builder, batch);
  }

  #add(builder: BatchBuilder, { records }: Write): boolean {
    const timestampMs = this.#parts.clock.wallMs();
    return records.every((record) => builder.append({ ...record, timestampMs }));
  }

  #appendBatch(builder: BatchBuilder, writes: readonly Write[]): void {
    // It may have ended over the batch before.
    if (this.#phase.kind === 'over') return;
    const slot = ++this.#slots;
    this.#onTheirWay.set(slot, writes);
    const why = this.#partition.append(builder.build(), this.#epoch, this, slot, 'all');
    if (why === undefined) return;
    this.#onTheirWay.delete(slot);
    this.#refuse(writes, why);
  }

  /** What was not appended. When the partition broke over it, it has ended by now, and nothing is told any more. */
  #refuse(writes: readonly Write[], why: Refusal): void {
    if (this.#phase.kind === 'over') return;
    for (const { done } of writes) done({ kind: 'refused', refusal: why });
  }

  /** A turn for each piece, so that a large log does not hold up others. */
  #loadSoon(): void {
    this.#parts.turn.send(() => {
      if (this.#phase.kind === 'loads') this.#load();
    });
  }

  #load(): void {
    if (this.#next >= this.#until) {
      this.#phase = { kind: 'ready' };
      this.#events.ready(this.#until);
      return;
    }
    const read = this.#partition.read(this.#next, GROUP_LOAD_READ_BYTES);
    switch (read.kind) {
      case 'batches':
        for (const buffer of read.buffers) this.#take(buffer);
        this.#loadSoon();
        return;
      case 'cold':
        this.#readDisk(read.plan);
        return;
      case 'atEnd':
        // The rest is not committed yet; or it is, and all of it has been compacted away.
        if (this.#partition.highWatermark < this.#until) return this.#partition.readers.park(this);
        this.#next = this.#until;
        this.#loadSoon();
        return;
      case 'outOfRange':
        // Its start has moved on.
        this.#next = this.#partition.logStartOffset;
        this.#loadSoon();
        return;
      default:
        unreachable(read);
    }
  }

  #readDisk(plan: ColdRead): void {
    const { coldGate, slabs } = this.#parts;
    const begin = (): boolean => {
      this.#partition.readCold(plan, (error, buffers) => {
        if (this.#phase.kind === 'readsDisk') {
          this.#phase = { kind: 'loads' };
          if (error === undefined) {
            for (const buffer of buffers) this.#take(buffer);
            this.#loadSoon();
          } else {
            const message = `reading ${this.#partition.name} failed: ${error.message}`;
            this.#end(refusal('KAFKA_STORAGE_ERROR', message));
          }
        }
        for (const buffer of buffers) slabs.release(buffer);
        coldGate.leave();
      });
      return true;
    };
    this.#phase = { kind: 'readsDisk', begin };
    coldGate.enter(begin);
  }

  #take(batches: Buffer): void {
    if (this.#phase.kind === 'over') return;
    try {
      readRecords(batches, (record) => this.#events.loaded(record), this.#next);
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      return this.#end(refusal('KAFKA_STORAGE_ERROR', `${this.#partition.name} cannot be read: ${error.message}`));
    }
    for (const { lastOffset } of readBatches(batches)) this.#next = offset(lastOffset + 1);
  }
}

/** At most so many bytes it takes in a batch. */
function boundOf({ records }: Write): number {
  let bytes = 0;
  for (const record of records) bytes += singleRecordBatchBytes(record) + DELTAS_BYTES_MAX;
  return bytes;
}

const DELTAS_BYTES_MAX = 16;
