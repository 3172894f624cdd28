import { HTTP_LINE_BYTES_MAX } from '@weir/base/limits.ts';

/** What a cutter finds, in order. */
export interface LineHandlers {
  /** A line without its end. */
  line(bytes: Buffer, start: number, end: number): void;
  /** A line that is longer than HTTP_LINE_BYTES_MAX; it is skipped. */
  tooLong(): void;
}

/**
 * Cuts a body that comes in pieces into lines. A line within one piece is a view of it; only those across pieces are
 * copied together.
 *
 * Invariant: what is kept between pieces is at most HTTP_LINE_BYTES_MAX.
 */
export class LineCutter {
  readonly #handlers: LineHandlers;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #skipping = false;

  constructor(handlers: LineHandlers) {
    this.#handlers = handlers;
  }

  /** Bytes of a line that has not ended. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  push(piece: Buffer): void {
    let start = 0;
    for (let end = piece.indexOf(0x0a); end !== -1; end = piece.indexOf(0x0a, start)) {
      this.#endLine(piece, start, end);
      start = end + 1;
    }
    if (start < piece.length) this.#keep(piece.subarray(start));
  }

  /** The body is over; a last line without an end counts. */
  finish(): void {
    if (this.#keptBytes > 0 || this.#skipping) this.#endLine(Buffer.alloc(0), 0, 0);
  }

  #endLine(piece: Buffer, start: number, end: number): void {
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (this.#keptBytes + end - start > HTTP_LINE_BYTES_MAX) {
      this.#drop();
      this.#handlers.tooLong();
      return;
    }
    if (this.#keptBytes === 0) {
      this.#handlers.line(piece, start, end);
      return;
    }
    this.#kept.push(piece.subarray(start, end));
    const line = Buffer.concat(this.#kept);
    this.#drop();
    this.#handlers.line(line, 0, line.length);
  }

  #keep(rest: Buffer): void {
    if (this.#skipping) return;
    if (this.#keptBytes + rest.length > HTTP_LINE_BYTES_MAX) {
      this.#drop();
      this.#skipping = true;
      this.#handlers.tooLong();
      return;
    }
    this.#kept.push(rest);
    this.#keptBytes += rest.length;
  }

  #drop(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
