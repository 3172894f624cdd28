/**
 * Memory for requests that are arriving or wait to be begun, over all connections. What would not fit waits, in the
 * order of asking; a request larger than everything is let in alone.
 */
export class FrameMemory {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes memory, if there is some. False: ask again when `ready` is called. */
  take(bytes: number, ready: () => void): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      this.#waiting.add(ready);
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const ready of waiting) ready();
  }

  /** Who asked does not want it any more. */
  forget(ready: () => void): void {
    this.#waiting.delete(ready);
  }
}
