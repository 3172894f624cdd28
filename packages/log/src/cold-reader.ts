import { DiskError } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import { withoutPlaceholders } from '@weir/records/placeholder.ts';
import { BatchRun, splitRun, type ColdRun } from './batch-run.ts';
import { BAD_BYTES, closedError } from './log-errors.ts';
import type { ColdRead } from './log-read.ts';
import type { AheadChunk, ReadAhead } from './read-ahead.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { Segments } from './segments.ts';

/** A reader that goes on where it was needs no index: so many such places are remembered per log. */
const RESUME_POINTS_MAX = 64;
/** A read from the disk asks for no less than this. */
const CHUNK_BYTES_MIN = 4 * 1024;

/** The place of a batch. */
interface ResumePoint {
  readonly segmentBase: Offset;
  readonly position: number;
}

/** Takes what a read found: one reference of each buffer is the receiver's, who releases it. */
export type ColdReadDone = (error: DiskError | undefined, buffers: Buffer[], nextOffset: Offset) => void;

/**
 * Reads whole batches from segment files. For a reader that goes on where it was, the next chunk is read while it is
 * busy with the last one.
 */
export class ColdReader {
  readonly #segments: Segments;
  readonly #reader: SegmentReader;
  readonly #ahead: ReadAhead;
  /** By the offset at which a read ended, in the order of those reads. */
  readonly #resumePoints = new Map<Offset, ResumePoint>();
  /** By the offset of its first batch. */
  readonly #chunks = new Map<Offset, AheadChunk>();
  /** How often the log was cut: a read that began before the last time may have seen what is gone. */
  #cuts = 0;
  /** How often segments were written anew: a position from before that says nothing. */
  #swaps = 0;
  #closed = false;

  constructor(segments: Segments, reader: SegmentReader, ahead: ReadAhead) {
    this.#segments = segments;
    this.#reader = reader;
    this.#ahead = ahead;
  }

  /**
   * Hands over the batches as one view, or as some where placeholders are left out, or none: when the first reaches `upTo`,
   * when the log begins behind it by now, or was cut meanwhile, wherever that was. A read ends with its segment, unless it
   * has found nothing but placeholders there.
   */
  read(plan: ColdRead, done: ColdReadDone): void {
    if (this.#closed) return done(closedError(), [], plan.from);
    const chunk = this.#chunks.get(plan.from);
    const cuts = this.#cuts;
    switch (chunk?.state.kind) {
      case 'reading':
        chunk.waiting.push(() => (cuts === this.#cuts ? this.read(plan, done) : done(undefined, [], plan.from)));
        return;
      case 'ready':
        return this.#serve(chunk, chunk.state.run, plan, done);
      case 'gone':
      case undefined:
        return this.#readNow(plan, done);
    }
  }

  /** The log begins here now: nothing below it is read any more. */
  dropBefore(start: Offset): void {
    for (const [at, chunk] of this.#chunks) if (at < start) this.#drop(at, chunk);
    for (const at of this.#resumePoints.keys()) if (at < start) this.#resumePoints.delete(at);
  }

  /** The log ends here now: what was read ahead may be gone, and what is being read. */
  truncate(end: Offset): void {
    this.#cuts += 1;
    for (const [at, chunk] of this.#chunks) this.#drop(at, chunk);
    for (const at of this.#resumePoints.keys()) if (at > end) this.#resumePoints.delete(at);
  }

  /** Segments were written anew: the same records, or those of them that are left, lie elsewhere. */
  replaced(): void {
    this.#swaps += 1;
    for (const [at, chunk] of this.#chunks) this.#drop(at, chunk);
    this.#resumePoints.clear();
  }

  /** The log is closed: reads under way still complete. */
  close(): void {
    this.#closed = true;
    this.#resumePoints.clear();
    for (const [at, chunk] of this.#chunks) this.#drop(at, chunk);
  }

  #readNow(plan: ColdRead, done: ColdReadDone): void {
    const isSequential = this.#resumePoints.has(plan.from);
    this.#load(plan, (error, run) => {
      if (error !== undefined || run === undefined) return done(error, [], plan.from);
      this.#handOut(run, plan, isSequential, done);
    });
  }

  #serve(chunk: AheadChunk, run: ColdRun, plan: ColdRead, done: ColdReadDone): void {
    const parts = splitRun(run, plan);
    if (parts === undefined) return done(undefined, [], plan.from);
    const { first, rest } = parts;
    this.#chunks.delete(plan.from);
    if (rest === undefined) {
      this.#ahead.leave(chunk);
      return this.#handOut(first, plan, true, done);
    }
    this.#reader.slabs.retain(first.bytes);
    this.#ahead.used(chunk, rest);
    // Another reader may have come to the same place.
    const other = this.#chunks.get(first.nextOffset);
    if (other !== undefined) this.#drop(first.nextOffset, other);
    this.#chunks.set(first.nextOffset, chunk);
    this.#handOut(first, plan, false, done);
  }

  #handOut(run: ColdRun, plan: ColdRead, readAhead: boolean, done: ColdReadDone): void {
    const { bytes, nextOffset } = run;
    const { upTo, view } = plan;
    this.#remember(run);
    if (readAhead && nextOffset < upTo) this.#readAhead(nextOffset, upTo);
    const stretches = view === 'batches' ? [bytes] : withoutPlaceholders(bytes);
    if (stretches.length === 0) return this.#readOn(run, plan, done);
    // Each view is released for itself.
    for (const further of stretches.slice(1)) this.#reader.slabs.retain(further);
    done(undefined, stretches, nextOffset);
  }

  /** Nothing is left of what was read: what comes behind it is handed out, and only if nothing does, the placeholders. */
  #readOn({ bytes, nextOffset }: ColdRun, plan: ColdRead, done: ColdReadDone): void {
    if (nextOffset >= plan.upTo) return done(undefined, [bytes], nextOffset);
    this.read({ ...plan, from: nextOffset }, (error, buffers, next) => {
      if (error === undefined && buffers.length === 0) return done(undefined, [bytes], nextOffset);
      this.#reader.slabs.release(bytes);
      done(error, buffers, error === undefined ? next : plan.from);
    });
  }

  /** Begins to read what comes next, of what is durable for certain. A fault is left for the reader itself to meet. */
  #readAhead(from: Offset, upTo: Offset): void {
    if (this.#closed || this.#chunks.has(from)) return;
    const chunk = this.#ahead.begin(() => {
      for (const [at, other] of this.#chunks) if (other === chunk) this.#chunks.delete(at);
    });
    if (chunk === undefined) return;
    this.#chunks.set(from, chunk);
    this.#load({ from, upTo, maxBytes: COLD_READ_BYTES, view: 'batches' }, (_, run) => {
      if (run !== undefined) this.#ahead.arrived(chunk, run);
      else if (this.#chunks.get(from) === chunk) this.#drop(from, chunk);
      for (const wake of chunk.waiting.splice(0)) wake();
    });
  }

  #drop(at: Offset, chunk: AheadChunk): void {
    this.#chunks.delete(at);
    this.#ahead.drop(chunk);
  }

  /** The segment is looked up once, at the start: it may be removed while its file is read. */
  #load(plan: ColdRead, done: (error: DiskError | undefined, run: ColdRun | undefined) => void): void {
    const { from, maxBytes } = plan;
    if (this.#segments.count === 0 || from < this.#segments.at(0).baseOffset) return done(undefined, undefined);
    const segment = this.#segments.at(this.#segments.indexOf(from));
    const batches = new BatchRun(plan, this.#reader.slabs);
    const cuts = this.#cuts;
    const swaps = this.#swaps;
    const readFrom = (position: number, slackBytes: number): void => {
      const chunkBytes = Math.min(Math.max(maxBytes + slackBytes, CHUNK_BYTES_MIN), COLD_READ_BYTES);
      this.#reader.walk(segment, { position, chunkBytes }, batches, (walkError) => {
        if (cuts !== this.#cuts) {
          batches.drop();
          return done(undefined, undefined);
        }
        if (swaps !== this.#swaps && !this.#closed) {
          batches.drop();
          return this.#load(plan, done);
        }
        // Batches that end before they should are stepped over, down to the segment's end.
        const isLost = walkError === undefined && !batches.found && from < segment.endOffset;
        const error = isLost ? new DiskError(BAD_BYTES, `there is no sound batch with offset ${from}`) : walkError;
        if (error !== undefined) batches.drop();
        done(error, batches.take(segment.baseOffset));
      });
    };
    const resume = this.#resumePoints.get(from);
    if (resume?.segmentBase === segment.baseOffset) readFrom(resume.position, 0);
    else if (from === segment.baseOffset) readFrom(0, 0);
    else this.#reader.offsetPosition(segment, from, (position) => readFrom(position, CHUNK_BYTES_MIN));
  }

  #remember({ nextOffset, segmentBase, endPosition }: ColdRun): void {
    if (this.#closed) return;
    this.#resumePoints.delete(nextOffset);
    this.#resumePoints.set(nextOffset, { segmentBase, position: endPosition });
    if (this.#resumePoints.size <= RESUME_POINTS_MAX) return;
    for (const oldest of this.#resumePoints.keys()) {
      this.#resumePoints.delete(oldest);
      return;
    }
  }
}
