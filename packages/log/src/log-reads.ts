import type { DiskError } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { lastOffsetOf } from '@weir/records/batch-header.ts';
import { isPlaceholder } from '@weir/records/placeholder.ts';
import { ColdReader } from './cold-reader.ts';
import type { ColdReadDone } from './cold-reader.ts';
import { closedError } from './log-errors.ts';
import type { ColdRead, LogRead, ReadView, TimestampedOffset } from './log-read.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { Segments } from './segments.ts';
import type { TailCache, TailWindow } from './tail-cache.ts';
import { searchMaxTimestamp, searchTimestamp, type Search, type SearchDone } from './timestamp-search.ts';

/** The log that is read. */
export interface ReadLog {
  readonly startOffset: Offset;
  readonly endOffset: Offset;
  readonly durableEnd: Offset;
}

/** What it is read with. */
export interface LogReadsParts {
  readonly segments: Segments;
  readonly reader: SegmentReader;
  readonly cache: TailCache;
  readonly isClosed: () => boolean;
  /** A read met this, of what is still there. */
  readonly readFault: (error: DiskError) => void;
}

/** What is read of a log, from memory and from disk, while it grows, is cut, and is compacted. */
export class LogReads {
  readonly #log: ReadLog;
  readonly #parts: LogReadsParts;
  readonly #coldReader: ColdReader;
  readonly #window: TailWindow;
  /** How often what was there has gone, or has gone elsewhere. */
  #changes = 0;

  constructor(log: ReadLog, parts: LogReadsParts) {
    const { segments, reader, cache } = parts;
    this.#log = log;
    this.#parts = parts;
    this.#coldReader = new ColdReader(segments, reader, cache.readAhead);
    this.#window = cache.window();
  }

  /** See `Log.read`. */
  read(from: Offset, maxBytes: number, upTo: Offset, view: ReadView): LogRead {
    const { startOffset, endOffset, durableEnd } = this.#log;
    if (from < startOffset || from > endOffset) return { kind: 'outOfRange' };
    let found: LogRead = { kind: 'atEnd' };
    for (let next = from; next < upTo;) {
      const buffers = this.#window.read(next, maxBytes, upTo);
      if (buffers === undefined) {
        if (next >= durableEnd) return found;
        return { kind: 'cold', plan: { from: next, maxBytes, upTo: offset(Math.min(upTo, durableEnd)), view } };
      }
      const last = buffers.at(-1);
      if (last === undefined) return found;
      next = offset(lastOffsetOf(last, 0) + 1);
      if (view === 'batches') return { kind: 'batches', buffers, nextOffset: next };
      const shown = buffers.filter((batch) => !isPlaceholder(batch, 0));
      if (shown.length > 0) return { kind: 'batches', buffers: shown, nextOffset: next };
      found = { kind: 'batches', buffers, nextOffset: next };
    }
    return found;
  }

  /** See `Log.readCold`. */
  readCold(plan: ColdRead, done: ColdReadDone): void {
    const log = this.#log;
    if (this.#parts.isClosed()) return done(closedError(), [], plan.from);
    // The log may have been cut since.
    const upTo = offset(Math.min(plan.upTo, log.durableEnd));
    if (plan.from < log.startOffset || plan.from >= upTo) return done(undefined, [], plan.from);
    this.#coldReader.read({ ...plan, upTo }, (error, buffers, nextOffset) => {
      // Its segment may have been removed meanwhile.
      if (error !== undefined && plan.from < log.startOffset) return done(undefined, [], plan.from);
      if (error !== undefined) this.#parts.readFault(error);
      done(error, buffers, nextOffset);
    });
  }

  /** See `Log.offsetForTimestamp`. */
  offsetForTimestamp(timestampMs: number, upTo: Offset, done: SearchDone<TimestampedOffset | undefined>): void {
    const search: Search<TimestampedOffset | undefined> = (log, range, found) =>
      searchTimestamp(log, { timestampMs, ...range }, found);
    this.#search(search, { upTo, none: undefined }, done);
  }

  /** See `Log.maxTimestamp`. */
  maxTimestamp(upTo: Offset, done: SearchDone<number>): void {
    this.#search(searchMaxTimestamp, { upTo, none: -1 }, done);
  }

  /** A batch was appended. */
  appended(batch: Buffer): void {
    this.#window.add(batch);
  }

  /** The log begins here now. */
  dropBefore(start: Offset): void {
    this.#coldReader.dropBefore(start);
  }

  /** The log was cut: nobody is served what is gone. */
  truncate(end: Offset): void {
    this.#changes += 1;
    this.#window.truncate(end);
    this.#coldReader.truncate(end);
  }

  /** Segments were written anew. */
  replaced(): void {
    this.#changes += 1;
    this.#coldReader.replaced();
  }

  /** It takes no more appends: what was kept for them can go. */
  clearWindow(): void {
    this.#window.clear();
  }

  /** The log is closed: reads under way still complete. */
  close(): void {
    this.#coldReader.close();
  }

  #search<T>(search: Search<T>, what: { readonly upTo: Offset; readonly none: T }, done: SearchDone<T>): void {
    const log = this.#log;
    if (this.#parts.isClosed()) return done(closedError(), what.none);
    const from = log.startOffset;
    const changes = this.#changes;
    const { segments, reader } = this.#parts;
    const searched = { segments: segments.snapshot(), reader };
    search(searched, { from, upTo: offset(Math.min(what.upTo, log.durableEnd)) }, (error, found) => {
      // What was under the search may be gone: then what it found may be as well.
      if (from !== log.startOffset || changes !== this.#changes) return this.#search(search, what, done);
      if (error !== undefined) this.#parts.readFault(error);
      done(error, found);
    });
  }
}
