/** Batches that have their offsets and wait to be written, in offset order. */
export class AppendQueue {
  #batches: Buffer[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get first(): Buffer | undefined {
    return this.#batches[0];
  }

  push(batch: Buffer): void {
    this.#batches.push(batch);
    this.#bytes += batch.length;
  }

  /** How many from the front on are at most `bytesMax` long, and fit; the first one counts in any case. */
  count(bytesMax: number, fits: (batch: Buffer, bytesBefore: number) => boolean): number {
    let count = 0;
    let bytes = 0;
    for (const batch of this.#batches) {
      if (count > 0 && (bytes + batch.length > bytesMax || !fits(batch, bytes))) break;
      bytes += batch.length;
      count += 1;
    }
    return count;
  }

  /** So many from the front on. */
  peek(count: number): readonly Buffer[] {
    return count === this.#batches.length ? this.#batches : this.#batches.slice(0, count);
  }

  /** Takes so many off the front. */
  take(count: number): readonly Buffer[] {
    const taken = this.peek(count);
    this.#batches = count === this.#batches.length ? [] : this.#batches.slice(count);
    for (const batch of taken) this.#bytes -= batch.length;
    return taken;
  }

  /** Takes all. */
  clear(): readonly Buffer[] {
    return this.take(this.#batches.length);
  }
}
