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

  /** Takes batches off the front up to `bytesMax`, and as long as they fit; the first one in any case. */
  take(bytesMax: number, fits: (batch: Buffer, bytesBefore: number) => boolean): readonly Buffer[] {
    const batches = this.#batches;
    let count = 0;
    let bytes = 0;
    for (const batch of batches) {
      if (count > 0 && (bytes + batch.length > bytesMax || !fits(batch, bytes))) break;
      bytes += batch.length;
      count += 1;
    }
    this.#bytes -= bytes;
    this.#batches = count === batches.length ? [] : batches.slice(count);
    return count === batches.length ? batches : batches.slice(0, count);
  }

  clear(): void {
    this.#batches = [];
    this.#bytes = 0;
  }
}
