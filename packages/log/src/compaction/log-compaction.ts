import { assert, present } from '@weir/base/assert.ts';
import type { DiskError } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { isDamage } from '../log-errors.ts';
import { firstTimestampOf } from '../segment.ts';
import type { CleanPoint } from './clean-point.ts';
import { cleanable, type Cleanable, type CompactionRules } from './cleanable.ts';
import { Compaction, type CompactionParts, type CompactionResult } from './compaction.ts';

/** The log that is compacted, as it is at any time. */
interface CompactedLog {
  readonly startOffset: Offset;
  readonly durableEnd: Offset;
  /** False: it is damaged, faulted or closed. */
  readonly appendable: boolean;
}

/** What a pass does to its log. */
interface CompactionHost {
  /** Segments were written anew. */
  readonly replaced: () => void;
  /** The disk failed at something that the log cannot do without. */
  readonly fault: (error: DiskError) => void;
  readonly damage: (error: DiskError) => void;
}

/** The compaction of one log: a pass at a time (ADR 33). */
export class LogCompaction {
  readonly #parts: Omit<CompactionParts, keyof CompactionHost | 'isOpen' | 'cleaned'>;
  readonly #cleanPoint: CleanPoint;
  readonly #log: CompactedLog;
  readonly #host: CompactionHost;
  /** The pass that is under way. */
  #pass: Compaction | undefined;

  constructor(
    parts: Omit<CompactionParts, keyof CompactionHost | 'isOpen' | 'cleaned'>,
    cleanPoint: CleanPoint,
    log: CompactedLog,
    host: CompactionHost,
  ) {
    this.#parts = parts;
    this.#cleanPoint = cleanPoint;
    this.#log = log;
    this.#host = host;
  }

  /** Up to where the log has been compacted. */
  get cleanPoint(): Offset {
    return this.#cleanPoint.value;
  }

  /** Whether a pass is under way. */
  get isUnderWay(): boolean {
    return this.#pass !== undefined;
  }

  /** What may be compacted; undefined: nothing, or not now. */
  cleanable(rules: CompactionRules): Cleanable | undefined {
    const { startOffset, durableEnd, appendable } = this.#log;
    if (!appendable || this.#pass !== undefined) return undefined;
    return cleanable(this.#parts.segments.snapshot(), { startOffset, durableEnd, cleanPoint: this.cleanPoint }, rules);
  }

  /**
   * Since when the oldest of what may be compacted, and was not yet, is there; -1 when its batch has no timestamp.
   *
   * @throws DiskError
   */
  dirtySinceMs({ segments, from }: Cleanable): number {
    const { files } = this.#parts;
    const dirty = present(
      segments.find(({ endOffset }) => endOffset > from),
      'some of what may be compacted is dirty',
    );
    const held = files.acquire(dirty.baseOffset);
    try {
      return firstTimestampOf(held.file);
    } finally {
      files.release(held);
    }
  }

  /**
   * Begins a pass over what `cleanable` has found. It goes on in slices beside everything else, and gives up when the log
   * loses what it is about, or is closed: then `done` is not called.
   */
  begin(
    what: { readonly cleanable: Cleanable; readonly rules: CompactionRules; readonly mapBytes: number },
    done: (result: CompactionResult) => void,
  ): void {
    assert(this.#pass === undefined, 'one pass over a log is under way at a time');
    const { replaced, fault, damage } = this.#host;
    const pass = new Compaction(
      {
        ...this.#parts,
        replaced,
        fault,
        isOpen: () => this.#log.appendable,
        cleaned: (end) => this.#cleanPoint.move(end),
      },
      what,
      (result) => {
        this.#pass = undefined;
        if (result.kind === 'failed' && isDamage(result.error)) damage(result.error);
        done(result);
      },
    );
    this.#pass = pass;
    pass.begin();
  }

  /** The log is closed. */
  stop(): void {
    this.#pass?.stop();
    this.#pass = undefined;
  }

  /** The log is about to be cut. */
  truncate(end: Offset): void {
    this.#cleanPoint.truncate(end);
  }

  /** The log was made anew, and with it its folder. */
  clear(): void {
    this.#cleanPoint.clear();
  }
}
