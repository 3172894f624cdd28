import type { Partition } from '@weir/broker/partition/partition.ts';
import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { recordCountOf } from '@weir/records/batch-header.ts';
import { readRecords } from '@weir/records/read-records.ts';
import type { RecordView } from '@weir/records/record.ts';
import { textOf } from './load-record.ts';
import { batchesIn, segmentsOf } from './replica-log.ts';
import type { StoredBatch } from './replica-log.ts';

/** A record that was committed. */
interface CommittedRecord {
  readonly key: string;
  readonly isTombstone: boolean;
  readonly text: string;
  readonly leaderEpoch: number;
}

/** Who reads what is committed of compacted partitions, in order, as soon as it is. */
export interface CommitWatcher {
  committed(partition: Partition, record: RecordView): void;
  /** Something is, and nobody could look what. */
  committedUnseen(partition: Partition): void;
}

/** Clocks of the wall are less apart than this: a tombstone that is to stay for longer stays for a whole run. */
const CLOCKS_APART_MS = 3 * 3_600_000;

/** What is true of a compacted partition whatever happens to its replicas. */
export class CompactedPartition {
  /** By offset, in order. */
  readonly #records = new Map<number, CommittedRecord>();
  readonly #lastOfKey = new Map<string, number>();
  /** Every batch of an idempotent producer, with its base offset. */
  readonly #sequences = new Map<string, number>();
  /** What lies below is known: nothing of it was committed by a leader that could not be looked into. */
  #end = 0;
  #hasGaps = false;

  /**
   * A leader has moved the high watermark.
   *
   * @param watcher - is told of each record that is committed by that
   * @returns what is wrong
   */
  advanced(disk: SimulatedDisk, partition: Partition, watcher: CommitWatcher): string | undefined {
    const { folder, highWatermark } = partition;
    const from = this.#end;
    this.#end = highWatermark;
    for (const { batch, bytes } of storedFrom(disk, folder, from)) {
      if (batch.lastOffset >= highWatermark) break;
      if (batch.baseOffset < from) continue;
      if (recordCountOf(bytes, 0) !== batch.lastOffset - batch.baseOffset + 1)
        return `records of the batch at ${batch.baseOffset} are gone, and it was not committed`;
      readRecords(bytes, (record) => {
        const key = record.key?.toString() ?? '';
        const { leaderEpoch } = batch;
        const said = { key, isTombstone: record.value === null, text: textOf(record), leaderEpoch };
        this.#records.set(record.offset, said);
        this.#lastOfKey.set(key, record.offset);
        watcher.committed(partition, record);
      });
      const { sequence } = batch;
      const elsewhere = sequence === undefined ? undefined : this.#sequences.get(sequence);
      if (elsewhere !== undefined) return `[R14] ${sequence} is at ${elsewhere} and at ${batch.baseOffset}`;
      if (sequence !== undefined) this.#sequences.set(sequence, batch.baseOffset);
    }
    return undefined;
  }

  /** A leader has moved the high watermark, and nobody could look. */
  advancedUnseen(highWatermark: number): void {
    this.#end = Math.max(this.#end, highWatermark);
    this.#hasGaps = true;
  }

  /**
   * Compares a replica with what was committed: what it has is the same, and what it lacks has a later record of its key that
   * is committed as well, or is a tombstone whose time is over.
   *
   * @returns what is wrong
   */
  problem(disk: SimulatedDisk, { folder, highWatermark, logStartOffset, topic }: Partition): string | undefined {
    let before: StoredBatch | undefined;
    const found = new Set<number>();
    for (const { batch, bytes } of storedFrom(disk, folder, 0)) {
      if (before !== undefined && before.lastOffset + 1 !== batch.baseOffset)
        return `a batch at ${batch.baseOffset} lies behind one that ends at ${before.lastOffset}`;
      if (before !== undefined && before.leaderEpoch > batch.leaderEpoch)
        return `a batch of epoch ${batch.leaderEpoch} lies behind one of epoch ${before.leaderEpoch}`;
      before = batch;
      if (batch.baseOffset >= this.#end) {
        if (recordCountOf(bytes, 0) !== batch.lastOffset - batch.baseOffset + 1)
          return `records of the batch at ${batch.baseOffset} are gone, and ${this.#end} is the end of what is committed`;
        continue;
      }
      let problem: string | undefined;
      readRecords(bytes, (record) => {
        const committed = this.#records.get(record.offset);
        found.add(record.offset);
        if (record.offset >= highWatermark || record.offset < logStartOffset || committed === undefined) return;
        if (committed.text === textOf(record) && committed.leaderEpoch === batch.leaderEpoch) return;
        problem ??= `at ${record.offset} it has ${textOf(record)}, and committed is ${committed.text}`;
      });
      if (problem !== undefined) return problem;
    }
    if (this.#hasGaps) return undefined;
    // A follower has more in memory while its disk is at work, and may know that it is committed.
    const storedEnd = before === undefined ? 0 : before.lastOffset + 1;
    const end = Math.min(highWatermark, storedEnd);
    for (const [offset, { key, isTombstone, text }] of this.#records) {
      if (offset < logStartOffset || offset >= end || found.has(offset)) continue;
      if (this.#lastOfKey.get(key)! > offset) continue;
      if (isTombstone && topic.settings.deleteRetentionMs < CLOCKS_APART_MS) continue;
      return `${isTombstone ? 'the tombstone' : 'the last record'} of ${key} is gone from ${offset}: ${text}`;
    }
    return undefined;
  }
}

/** The batches of a replica from the one on that has an offset, as they lie in its files. */
function* storedFrom(
  disk: SimulatedDisk,
  folder: string,
  from: number,
): Generator<{ readonly batch: StoredBatch; readonly bytes: Buffer }> {
  const segments = segmentsOf(disk, folder);
  for (const [i, { path }] of segments.entries()) {
    if ((segments[i + 1]?.baseOffset ?? Infinity) <= from) continue;
    const contents = disk.contentsOf(path)!;
    let at = 0;
    for (const batch of batchesIn(contents)) {
      if (batch.lastOffset >= from) yield { batch, bytes: contents.subarray(at, batch.to) };
      at = batch.to;
    }
  }
}
