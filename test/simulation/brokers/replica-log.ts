import type { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffsetOf,
  baseSequenceOf,
  batchBytesOf,
  crcOf,
  hasProducerId,
  hasSoundOffsets,
  lastOffsetOf,
  leaderEpochOf,
  producerEpochOf,
  producerIdOf,
} from '@weir/records/batch-header.ts';

/** A batch as it lies in a segment. */
export interface StoredBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  /** Of all that a leader does not change: two batches with the same one are the same. */
  readonly crc: number;
  /** Producer, its epoch and the number of the first record; undefined for a producer that does not number. */
  readonly sequence: string | undefined;
  /** Where the next one begins in the segment. */
  readonly to: number;
}

/** The segments of a partition's folder, in order, read without the broker's code. */
export function segmentsOf(
  disk: SimulatedDisk,
  folder: string,
): { readonly baseOffset: number; readonly path: string }[] {
  return disk
    .namesIn(`partitions/${folder}`)
    .filter((name) => /^\d{20}\.log$/.test(name))
    .toSorted()
    .map((name) => ({ baseOffset: Number(name.slice(0, 20)), path: `partitions/${folder}/${name}` }));
}

/** The whole batches of a segment from a position on, as far as there are any. */
export function* batchesIn(bytes: Buffer, from = 0): Generator<StoredBatch> {
  for (let at = from; at + BATCH_HEADER_BYTES <= bytes.length;) {
    const size = batchBytesOf(bytes, at);
    if (size < BATCH_HEADER_BYTES || at + size > bytes.length || !hasSoundOffsets(bytes, at)) return;
    yield {
      baseOffset: baseOffsetOf(bytes, at),
      lastOffset: lastOffsetOf(bytes, at),
      leaderEpoch: leaderEpochOf(bytes, at),
      crc: crcOf(bytes, at),
      sequence: hasProducerId(bytes, at)
        ? `${producerIdOf(bytes, at)}:${producerEpochOf(bytes, at)}:${baseSequenceOf(bytes, at)}`
        : undefined,
      to: at + size,
    };
    at += size;
  }
}

/** Whether two batches are the same one, at the same place. */
export function isSameBatch(a: StoredBatch | undefined, b: StoredBatch | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.baseOffset === b.baseOffset && a.leaderEpoch === b.leaderEpoch && a.crc === b.crc && a.lastOffset === b.lastOffset
  );
}

/** The batches of one replica, as they lie in its files: followed as they grow, and read anew when they did something else. */
export class ReplicaLog {
  readonly #disk: SimulatedDisk;
  readonly #folder: string;
  #batches: StoredBatch[] = [];
  /** Of the segment that grows. */
  #baseOffset = -1;
  #position = 0;

  constructor(disk: SimulatedDisk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** In order, from the oldest that is still known. */
  get batches(): readonly StoredBatch[] {
    return this.#batches;
  }

  /** One past the last record; undefined while there is none. */
  get end(): number | undefined {
    const last = this.#batches.at(-1);
    return last === undefined ? undefined : last.lastOffset + 1;
  }

  /**
   * Takes in what has changed.
   *
   * @param durableEnd - the log has all below it, so its broker says
   * @returns batches that are not there any more
   */
  update(durableEnd: number): readonly StoredBatch[] {
    for (;;) {
      const bytes = this.#disk.contentsOf(pathOf(this.#folder, this.#baseOffset));
      if (bytes === undefined || bytes.length < this.#position) return this.reread();
      this.#take(bytes);
      const { end } = this;
      if (end === undefined || end === this.#baseOffset || end >= durableEnd) return [];
      if (this.#disk.contentsOf(pathOf(this.#folder, end)) === undefined) return [];
      this.#baseOffset = end;
      this.#position = 0;
    }
  }

  /** The same, whatever has happened to the files. */
  reread(): readonly StoredBatch[] {
    const before = this.#batches;
    this.#batches = [];
    for (const { baseOffset, path } of segmentsOf(this.#disk, this.#folder)) {
      this.#baseOffset = baseOffset;
      this.#position = 0;
      this.#take(this.#disk.contentsOf(path)!);
    }
    const now = new Map(this.#batches.map((batch) => [batch.baseOffset, batch]));
    return before.filter((batch) => !isSameBatch(batch, now.get(batch.baseOffset)));
  }

  /** Batches from the one that has an offset, or is the first behind it. */
  *from(offset: number): Generator<StoredBatch> {
    const batches = this.#batches;
    let low = 0;
    let high = batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (batches[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < batches.length; i++) yield batches[i]!;
  }

  #take(bytes: Buffer): void {
    for (const batch of batchesIn(bytes, this.#position)) {
      this.#batches.push(batch);
      this.#position = batch.to;
    }
  }
}

function pathOf(folder: string, baseOffset: number): string {
  return `partitions/${folder}/${String(baseOffset).padStart(20, '0')}.log`;
}
