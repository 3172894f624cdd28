/**
 * Memory for requests that are arriving or wait to be begun, over all connections. A large one that does not fit waits, and
 * what comes later waits behind it; one that is larger than everything is let in alone.
 */
export class FrameMemory {
  readonly #bytesMax: number;
  #bytes = 0;
  /** Who waits for how much, in the order of asking. */
  readonly #waiting = new Map<() => void, number>();
  /** Whose turn it is. */
  #next: (() => void) | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes memory, if there is some. False: ask again when `ready` is called. */
  take(bytes: number, ready: () => void): boolean {
    const mustWait = this.#waiting.size > 0 && ready !== this.#next;
    if (mustWait || !this.#fits(bytes)) {
      this.#waiting.set(ready, bytes);
      return false;
    }
    this.#waiting.delete(ready);
    this.#bytes += bytes;
    return true;
  }

  /** Takes memory whether there is some or not: for small requests, of which a connection has few. */
  takeAtOnce(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether half of all would still be free if so much were taken: then nobody needs to be asked to wait. */
  isPlentyFor(bytes: number): boolean {
    return this.#waiting.size === 0 && (this.#bytes + bytes) * 2 <= this.#bytesMax;
  }

  /** Whether somebody waits. */
  get isWanted(): boolean {
    return this.#waiting.size > 0;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#serve();
  }

  /** Who asked does not want it any more. */
  forget(ready: () => void): void {
    this.#waiting.delete(ready);
    this.#serve();
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax;
  }

  #serve(): void {
    // Who is served may give and forget: then this goes on here.
    if (this.#next !== undefined) return;
    for (const [ready, bytes] of this.#waiting) {
      if (!this.#fits(bytes)) break;
      // Whoever does not want it now asks again when it does.
      this.#waiting.delete(ready);
      this.#next = ready;
      ready();
    }
    this.#next = undefined;
  }
}
