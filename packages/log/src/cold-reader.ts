import type { DiskError } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { COLD_READ_BYTES } from '@weir/base/limits.ts';
import { baseOffsetOf, batchBytesOf, lastOffsetOf } from '@weir/records/batch-header.ts';
import type { BatchVisitor } from './batch-walk.ts';
import type { ColdRead } from './log-read.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { Segments } from './segments.ts';

/** A reader that goes on where it was needs no index: so many such places are remembered per log. */
const RESUME_POINTS_MAX = 64;
/** A read from the disk asks for no less than this. */
const CHUNK_BYTES_MIN = 4 * 1024;

interface ResumePoint {
  readonly segmentBase: Offset;
  readonly position: number;
}

/** Reads whole batches from segment files. */
export class ColdReader {
  readonly #segments: Segments;
  readonly #reader: SegmentReader;
  /** By the offset at which a read ended, in the order of those reads. */
  readonly #resumePoints = new Map<Offset, ResumePoint>();

  constructor(segments: Segments, reader: SegmentReader) {
    this.#segments = segments;
    this.#reader = reader;
  }

  /** Hands over the batches as one view, or none when the first reaches `upTo`. A read ends with its segment. */
  read(plan: ColdRead, done: (error: DiskError | undefined, buffers: Buffer[], nextOffset: Offset) => void): void {
    const { from, maxBytes } = plan;
    const segment = this.#segments.at(this.#segments.indexOf(from));
    const batches = new BatchRun(plan);
    const readFrom = (position: number, slackBytes: number): void => {
      const chunkBytes = Math.min(Math.max(maxBytes + slackBytes, CHUNK_BYTES_MIN), COLD_READ_BYTES);
      this.#reader.walk(segment, { position, chunkBytes }, batches, (error) => {
        if (error !== undefined || batches.bytes === undefined) return done(error, [], from);
        this.#remember(batches.nextOffset, { segmentBase: segment.baseOffset, position: batches.endPosition });
        done(undefined, [batches.bytes], batches.nextOffset);
      });
    };
    const resume = this.#resumePoints.get(from);
    if (resume?.segmentBase === segment.baseOffset) readFrom(resume.position, 0);
    else this.#reader.offsetPosition(segment, from, (position) => readFrom(position, CHUNK_BYTES_MIN));
  }

  #remember(next: Offset, point: ResumePoint): void {
    this.#resumePoints.delete(next);
    this.#resumePoints.set(next, point);
    if (this.#resumePoints.size <= RESUME_POINTS_MAX) return;
    for (const oldest of this.#resumePoints.keys()) {
      this.#resumePoints.delete(oldest);
      return;
    }
  }
}

/** Gathers the batches of a read as long as they lie in one chunk, so that they go on as one view without a copy. */
class BatchRun implements BatchVisitor {
  readonly #plan: ColdRead;
  #chunk: Buffer | undefined;
  #start = 0;
  #end = 0;
  nextOffset: Offset;
  /** Where in the file the run ends. */
  endPosition = 0;

  constructor(plan: ColdRead) {
    this.#plan = plan;
    this.nextOffset = plan.from;
  }

  get bytes(): Buffer | undefined {
    return this.#chunk?.subarray(this.#start, this.#end);
  }

  header(chunk: Buffer, at: number): 'skip' | 'take' | 'stop' | 'bad' {
    const last = lastOffsetOf(chunk, at);
    if (last < this.#plan.from) return 'skip';
    if (this.#chunk === undefined && baseOffsetOf(chunk, at) > this.#plan.from) return 'bad';
    if (last >= this.#plan.upTo) return 'stop';
    if (this.#chunk === undefined) return 'take';
    const end = at + batchBytesOf(chunk, at);
    const fits = end <= chunk.length && end - this.#start <= this.#plan.maxBytes;
    return this.#chunk === chunk && fits ? 'take' : 'stop';
  }

  batch(chunk: Buffer, at: number, position: number): boolean {
    const bytes = batchBytesOf(chunk, at);
    if (this.#chunk === undefined) this.#start = at;
    this.#chunk = chunk;
    this.#end = at + bytes;
    this.nextOffset = offset(lastOffsetOf(chunk, at) + 1);
    this.endPosition = position + bytes;
    return this.#end - this.#start < this.#plan.maxBytes;
  }
}
