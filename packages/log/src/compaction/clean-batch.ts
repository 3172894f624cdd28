import { WeirError } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import {
  baseOffsetOf,
  deleteHorizonOf,
  hasProducerId,
  isControl,
  lastOffsetOf,
  recordCountOf,
} from '@weir/records/batch-header.ts';
import { emptyBatch, keptRecord, rebuildBatch } from '@weir/records/filter-batch.ts';
import type { KeptRecord } from '@weir/records/filter-batch.ts';
import { RecordCursor } from '@weir/records/record-cursor.ts';
import type { OffsetMap } from './offset-map.ts';

/** By what a pass judges batches. */
export interface CleaningRules {
  /** Of the keys that have a record in what is dirty, below `end`. */
  readonly map: OffsetMap;
  /** The map knows nothing at or behind it. */
  readonly end: Offset;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** No batch grows past it. */
  readonly batchBytesMax: number;
  /** Whether an idempotent producer's batch is its last one below `end`, as far as anybody still asks. */
  readonly isLastOfProducer: (batch: Buffer) => boolean;
}

/** What is left of a batch: all of it, nothing, or another batch in its place. */
export type CleanedBatch = 'same' | 'gone' | Buffer;

/**
 * What is left of one whole batch with the right CRC: Kafka's rules (`Cleaner`, KIP-534), but that a record without a key
 * stays.
 */
export function cleanBatch(batch: Buffer, rules: CleaningRules): CleanedBatch {
  const { end, nowMs, deleteRetentionMs, batchBytesMax } = rules;
  if (isControl(batch, 0) || baseOffsetOf(batch, 0) >= end) return 'same';
  if (recordCountOf(batch, 0) === 0) return mayEmpty(batch, rules) ? 'same' : 'gone';
  const found = judge(batch, rules);
  // It came like this before anybody looked: its CRC is right.
  if (found === undefined) return 'same';
  const { kept, dropped, hasTombstones } = found;
  if (kept.length === 0) return mayEmpty(batch, rules) ? emptyBatch(batch) : 'gone';
  // From the pass on that has seen all of it: by then nothing is left of what its tombstones delete.
  const begins = hasTombstones && deleteHorizonOf(batch, 0) === undefined && lastOffsetOf(batch, 0) < end;
  if (dropped === 0 && !begins) return 'same';
  const rebuilt = rebuildBatch(batch, kept, begins ? nowMs + deleteRetentionMs : undefined);
  return rebuilt.length > batchBytesMax ? 'same' : rebuilt;
}

/** Whether a batch is to be kept even without records. */
function mayEmpty(batch: Buffer, { isLastOfProducer }: CleaningRules): boolean {
  return hasProducerId(batch, 0) && isLastOfProducer(batch);
}

interface Judged {
  readonly kept: readonly KeptRecord[];
  readonly dropped: number;
  /** Among those that are kept. */
  readonly hasTombstones: boolean;
}

/** Undefined: its records cannot be read. */
function judge(batch: Buffer, { map, end, nowMs }: CleaningRules): Judged | undefined {
  const cursor = new RecordCursor();
  const kept: KeptRecord[] = [];
  let dropped = 0;
  let hasTombstones = false;
  try {
    const horizonMs = deleteHorizonOf(batch, 0);
    const areTombstonesOver = horizonMs !== undefined && nowMs >= horizonMs;
    cursor.open(batch);
    while (cursor.next()) {
      const isKnown = cursor.hasKey && cursor.offset < end;
      const isOver = isKnown && (map.get(cursor.key!) > cursor.offset || (cursor.isTombstone && areTombstonesOver));
      if (isOver) {
        dropped += 1;
        continue;
      }
      hasTombstones ||= cursor.hasKey && cursor.isTombstone;
      kept.push(keptRecord(cursor));
    }
  } catch (error) {
    if (error instanceof WeirError) return undefined;
    throw error;
  }
  return { kept, dropped, hasTombstones };
}
