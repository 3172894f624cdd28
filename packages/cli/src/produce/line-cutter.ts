const NEWLINE = 0x0a;

/** A line is longer than a record can be. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/**
 * Cuts a stream of bytes into lines. Lines are views of the pieces where they lie in one piece; a last line without a
 * newline counts.
 */
export class LineCutter {
  readonly #bytesMax: number;
  #started: Buffer[] = [];
  #startedBytes = 0;
  #line = 0;

  /** `bytesMax`: of one line, so that input without newlines costs no more memory than that. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @throws LineTooLong that names the line; the lines before it were handed out */
  push(piece: Buffer, visit: (line: Buffer) => void): void {
    let from = 0;
    for (;;) {
      const newline = piece.indexOf(NEWLINE, from);
      const part = piece.subarray(from, newline === -1 ? piece.length : newline);
      if (this.#startedBytes + part.length > this.#bytesMax) {
        throw new LineTooLong(`line ${this.#line + 1} is longer than ${this.#bytesMax} bytes`);
      }
      if (newline === -1) {
        if (part.length > 0) this.#started.push(part);
        this.#startedBytes += part.length;
        return;
      }
      visit(this.#finish(part));
      from = newline + 1;
    }
  }

  /** The input is over. */
  end(visit: (line: Buffer) => void): void {
    if (this.#startedBytes > 0) visit(this.#finish(Buffer.alloc(0)));
  }

  #finish(last: Buffer): Buffer {
    this.#line++;
    if (this.#startedBytes === 0) return last;
    const line = Buffer.concat([...this.#started, last]);
    this.#started = [];
    this.#startedBytes = 0;
    return line;
  }
}
