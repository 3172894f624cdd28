import { assert, InvariantViolation } from '@weir/base/assert.ts';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { DiskError, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { COMPACTION_PAUSE_MS, COMPACTION_SYNC_BYTES, PRODUCERS_PER_LOG_MAX } from '@weir/base/limits.ts';
import { WeirError } from '@weir/base/errors.ts';
import { hasProducerId, isControl, lastOffsetOf } from '@weir/records/batch-header.ts';
import { RecordCursor } from '@weir/records/record-cursor.ts';
import type { SegmentSummary } from '../index-file.ts';
import type { ResolvedLogConfig } from '../log-config.ts';
import type { LogProducers } from '../producers/log-producers.ts';
import { idempotentIdOf } from '../producers/producer-states.ts';
import type { SegmentFiles } from '../segment-files.ts';
import type { SegmentReader } from '../segment-reader.ts';
import type { Segments } from '../segments.ts';
import { cleanBatch } from './clean-batch.ts';
import { groupSegments, type Cleanable, type CompactionRules } from './cleanable.ts';
import { CleanedSegment } from './cleaned-segment.ts';
import { OffsetMap } from './offset-map.ts';
import { decideSwap, finishSwap } from './segment-swap.ts';
import { SlicedWalk } from './sliced-walk.ts';

/** The log that is compacted. */
export interface CompactionParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly config: ResolvedLogConfig;
  readonly segments: Segments;
  readonly reader: SegmentReader;
  readonly files: SegmentFiles;
  readonly producers: LogProducers;
  /** False: it is closed, or its disk has failed. */
  readonly isOpen: () => boolean;
  /** Segments were written anew. */
  readonly replaced: () => void;
  /** The pass is over: all below an offset is clean. */
  readonly cleaned: (end: Offset) => void;
  /** The disk failed at something that the log cannot do without. */
  readonly fault: (error: DiskError) => void;
}

/** What came of a pass. */
export type CompactionResult =
  | {
      readonly kind: 'cleaned';
      /** It has cleaned up to there. */
      readonly end: Offset;
      /** What it has read, and written in its place. */
      readonly readBytes: number;
      readonly writtenBytes: number;
      /** By so much the log is smaller. */
      readonly freedBytes: number;
    }
  /** The log has changed under it, or is closed: nothing is wrong. */
  | { readonly kind: 'abandoned' }
  | { readonly kind: 'failed'; readonly error: DiskError };

/** Memory for the keys of what is dirty, at least, and for each of its bytes. */
const MAP_BYTES_MIN = 64 * 1024;
const MAP_SHARE = 8;

/**
 * One pass over a log: the last offset of each key that is dirty, then the segments anew without what these supersede,
 * oldest first. Every segment is as it was or as it is to be, whatever ends the pass (ADR 33).
 *
 * Invariant: nothing at or behind `end` of what it was given is touched.
 */
export class Compaction {
  readonly #parts: CompactionParts;
  readonly #rules: CompactionRules;
  readonly #cleanable: Cleanable;
  readonly #done: (result: CompactionResult) => void;
  readonly #map: OffsetMap;
  /** The end of each producer's last batch in what is dirty. */
  readonly #producerEnds = new Map<number, Offset>();
  /** The map knows all keys below it. */
  #mapEnd: Offset;
  /** What the walk under way goes through. */
  #watched: readonly SegmentSummary[] = [];
  #walk: SlicedWalk | undefined;
  #cleaned: CleanedSegment | undefined;
  #isOver = false;
  #readBytes = 0;
  #writtenBytes = 0;
  #freedBytes = 0;

  constructor(
    parts: CompactionParts,
    what: { readonly cleanable: Cleanable; readonly rules: CompactionRules; readonly mapBytes: number },
    done: (result: CompactionResult) => void,
  ) {
    this.#parts = parts;
    this.#rules = what.rules;
    this.#cleanable = what.cleanable;
    this.#done = done;
    // Little has few keys; where it was compressed, and has more, another pass goes on.
    this.#map = new OffsetMap(Math.min(what.mapBytes, MAP_BYTES_MIN + MAP_SHARE * what.cleanable.dirtyBytes));
    this.#mapEnd = what.cleanable.from;
  }

  begin(): void {
    const { segments, from } = this.#cleanable;
    this.#mapSegments(segments.filter(({ endOffset }) => endOffset > from));
  }

  /** Gives it up. `done` is not called any more. */
  stop(): void {
    this.#isOver = true;
    this.#walk?.stop();
    this.#cleaned?.close();
    this.#cleaned = undefined;
  }

  #mapSegments(left: readonly SegmentSummary[]): void {
    const [segment, ...others] = left;
    if (segment === undefined) return this.#cleanSegments();
    let isFull = false;
    const visit = (batch: Buffer): boolean => {
      isFull = !this.#mapBatch(batch);
      return !isFull;
    };
    this.#visit(segment, [segment], visit, () => this.#mapSegments(isFull ? [] : others));
  }

  /** False: the map is full, and ends where it is full. */
  #mapBatch(batch: Buffer): boolean {
    const { from } = this.#cleanable;
    const end = offset(lastOffsetOf(batch, 0) + 1);
    if (end <= from) return true;
    const cursor = new RecordCursor();
    try {
      if (!isControl(batch, 0)) cursor.open(batch);
      while (cursor.next()) {
        const key = cursor.offset >= from ? cursor.key : null;
        if (key === null || !this.#map.mayHold(key) || this.#map.put(key, cursor.offset)) continue;
        this.#mapEnd = cursor.offset;
        return false;
      }
    } catch (error) {
      // Of what cannot be read nothing is superseded, and nothing supersedes.
      if (!(error instanceof WeirError)) throw error;
    }
    this.#mapEnd = end;
    const producer = idempotentIdOf(batch, 0);
    if (producer !== undefined) this.#noteProducer(producer, end);
    return true;
  }

  #noteProducer(id: number, end: Offset): void {
    const ends = this.#producerEnds;
    ends.delete(id);
    ends.set(id, end);
    if (ends.size <= PRODUCERS_PER_LOG_MAX) return;
    for (const idlest of ends.keys()) {
      ends.delete(idlest);
      return;
    }
  }

  #cleanSegments(): void {
    const reached = this.#cleanable.segments.filter(({ baseOffset }) => baseOffset < this.#mapEnd);
    this.#cleanGroups(groupSegments(reached, this.#parts.config.segmentBytes));
  }

  #cleanGroups([group, ...others]: readonly (readonly SegmentSummary[])[]): void {
    if (group === undefined) return this.#end();
    const { disk, directory, config } = this.#parts;
    const { indexIntervalBytes, groupBytesMax: batchBytesMax } = config;
    const base = group[0]!.baseOffset;
    const bytes = group.reduce((sum, segment) => sum + segment.bytes, 0);
    const cleaned = this.#try(() => new CleanedSegment(disk, directory, { base, bytes, indexIntervalBytes }));
    if (cleaned === undefined) return;
    this.#cleaned = cleaned;
    const { nowMs, deleteRetentionMs } = this.#rules;
    const end = this.#mapEnd;
    const isLastOfProducer = (batch: Buffer): boolean => this.#isLastOfProducer(batch);
    const rules = { map: this.#map, end, nowMs, deleteRetentionMs, batchBytesMax, isLastOfProducer };
    let isChanged = group.length > 1;
    const visit = (batch: Buffer): boolean => {
      const left = cleanBatch(batch, rules);
      isChanged ||= left !== 'same';
      return (
        this.#try(() => {
          if (left === 'gone') cleaned.remove(batch);
          else cleaned.keep(left === 'same' ? batch : left);
          return true;
        }) ?? false
      );
    };
    const walkOn = ([segment, ...rest]: readonly SegmentSummary[]): void => {
      if (segment === undefined) return this.#finishGroup(group, isChanged, () => this.#cleanGroups(others));
      this.#visit(segment, group, visit, () => walkOn(rest));
    };
    walkOn(group);
  }

  /** The batch of an idempotent producer without records is kept as long as it says what the next one has to follow. */
  #isLastOfProducer(batch: Buffer): boolean {
    assert(hasProducerId(batch, 0), 'a producer has an id');
    const id = idempotentIdOf(batch, 0);
    const last = lastOffsetOf(batch, 0);
    const known = id === undefined ? undefined : this.#parts.producers.batchesOf(id);
    if (known === undefined) return false;
    const end = this.#producerEnds.get(id!);
    if (end !== undefined) return end === last + 1;
    return !known.some(({ lastOffset }) => lastOffset > last && lastOffset < this.#mapEnd);
  }

  /** A group is written: it takes the place of what it was made of. */
  #finishGroup(group: readonly SegmentSummary[], isChanged: boolean, goOn: () => void): void {
    const cleaned = this.#cleaned!;
    for (const { bytes } of group) this.#readBytes += bytes;
    if (!isChanged) {
      this.#cleaned = undefined;
      if (this.#try(() => (cleaned.discard(), true)) === true) goOn();
      return;
    }
    this.#sync(true, () => {
      this.#cleaned = undefined;
      cleaned.close();
      if (this.#swap(group, cleaned)) goOn();
    });
  }

  /** False: the pass is over. */
  #swap(group: readonly SegmentSummary[], { segment }: CleanedSegment): boolean {
    const { disk, directory, files, segments, replaced, fault } = this.#parts;
    const range = { base: group[0]!.baseOffset, end: group.at(-1)!.endOffset };
    assert(segment.endOffset === range.end, `it was to end at ${range.end}, and ends at ${segment.endOffset}`);
    const isDecided = this.#try(() => (decideSwap(disk, directory, range), true));
    if (isDecided === undefined) return false;
    for (const { baseOffset } of group) files.forget(baseOffset);
    try {
      finishSwap(disk, directory, range);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // Half done it is not what anybody takes it for; the next start goes on with it.
      fault(error);
      this.#fail(error);
      return false;
    }
    const summary = segment.summary();
    this.#writtenBytes += summary.bytes;
    for (const { bytes } of group) this.#freedBytes += bytes;
    this.#freedBytes -= summary.bytes;
    segments.replace(group, summary);
    replaced();
    // Without them, for want of room, readers begin at its first batch.
    this.#try(() => segment.writeIndexes(disk, directory));
    return !this.#isOver;
  }

  #end(): void {
    const end = this.#mapEnd;
    if (this.#try(() => (this.#parts.cleaned(end), true)) === undefined) return;
    this.#isOver = true;
    this.#done({
      kind: 'cleaned',
      end,
      readBytes: this.#readBytes,
      writtenBytes: this.#writtenBytes,
      freedBytes: this.#freedBytes,
    });
  }

  /** Walks through a segment, as long as all of these are what they were. */
  #visit(
    segment: SegmentSummary,
    watched: readonly SegmentSummary[],
    visit: (batch: Buffer) => boolean,
    goOn: () => void,
  ): void {
    const { clock, reader } = this.#parts;
    this.#watched = watched;
    const parts = {
      clock,
      reader,
      isOver: () => this.#checkOver(),
      pause: (next: () => void) => this.#pause(next),
    };
    const guarded = (batch: Buffer): boolean => this.#guard(() => visit(batch)) ?? false;
    this.#walk = new SlicedWalk(parts, segment, guarded, (error) => {
      if (error === undefined) this.#guard(goOn);
      else this.#fail(error);
    });
    this.#walk.begin();
  }

  #pause(goOn: () => void): Cancel | undefined {
    if ((this.#cleaned?.unsyncedBytes ?? 0) < COMPACTION_SYNC_BYTES) {
      return this.#parts.clock.after(COMPACTION_PAUSE_MS, goOn);
    }
    this.#sync(false, goOn);
    return undefined;
  }

  #sync(isWhole: boolean, goOn: () => void): void {
    this.#try(() =>
      this.#cleaned!.sync(isWhole, (error) => {
        // A failed sync is told even if nobody waits for it: it ends the process.
        if (error !== undefined) this.#parts.fault(error);
        if (this.#checkOver()) return;
        if (error === undefined) this.#guard(goOn);
        else this.#fail(error);
      }),
    );
  }

  /** Whether it was given up, or has to be: the log is closed, or the segments are others by now. */
  #checkOver(): boolean {
    if (this.#isOver) return true;
    const { isOpen, segments } = this.#parts;
    if (isOpen() && this.#watched.every((segment) => segments.has(segment))) return false;
    this.#abandon({ kind: 'abandoned' });
    return true;
  }

  /** Undefined: the disk refused, and the pass is over. */
  #try<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.duringSync) this.#parts.fault(error);
      this.#fail(error);
      return undefined;
    }
  }

  /** An invariant that does not hold is this log's alone: nothing further is written to it. */
  #guard<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof InvariantViolation)) throw error;
      const fault = new DiskError('EIO', `an invariant does not hold (compaction): ${error.message}`, { cause: error });
      this.#parts.fault(fault);
      this.#fail(fault);
      return undefined;
    }
  }

  #fail(error: DiskError): void {
    this.#abandon({ kind: 'failed', error });
  }

  #abandon(result: CompactionResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#walk?.stop();
    try {
      this.#cleaned?.discard();
    } catch (error) {
      // The next pass, or the next start, removes it.
      if (!(error instanceof DiskError)) throw error;
    }
    this.#cleaned = undefined;
    this.#done(result);
  }
}
