/** Bytes that all requests together may hold; what does not fit is refused, nothing waits. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether nothing is left. */
  get isSpent(): boolean {
    return this.#used >= this.#limit;
  }

  /** Takes them, or says false and takes none. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes them even past the limit: for what is in memory already. */
  overdraw(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
