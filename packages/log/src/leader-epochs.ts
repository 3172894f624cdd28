import { assert } from '@weir/base/assert.ts';
import { replaceFile, type Disk } from '@weir/base/disk.ts';
import { leaderEpoch, offset, type LeaderEpoch, type Offset } from '@weir/base/ids.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'WEPO', version: 1, name: 'leader-epoch file' };
const NAME = 'leader-epochs';
const ENTRY_BYTES = 12;

interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/**
 * Which leader epoch each offset of a log was appended in (KIP-101).
 *
 * Invariant: both epochs and start offsets of the entries strictly increase.
 */
export class LeaderEpochs {
  readonly #entries: EpochStart[] = [];

  /**
   * Reads the file. Undefined: it is missing or damaged, which is no loss as long as the log has no records.
   *
   * @throws Error when a newer Weir wrote it
   */
  static read(disk: Disk, directory: string): LeaderEpochs | undefined {
    const path = `${directory}/${NAME}`;
    const bytes = disk.readFile(path);
    const body = bytes === undefined ? undefined : decodeStored(KIND, path, bytes);
    if (body === undefined || body.length % ENTRY_BYTES !== 0) return undefined;
    const epochs = new LeaderEpochs();
    for (let at = 0; at < body.length; at += ENTRY_BYTES) {
      epochs.note(leaderEpoch(body.readUInt32LE(at)), offset(Number(body.readBigInt64LE(at + 4))));
    }
    return epochs;
  }

  /** The latest epoch, -1 before the first. */
  get latest(): LeaderEpoch | -1 {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  /** Where the latest epoch starts: all below it was durable when the epoch began. */
  get latestStart(): Offset {
    return this.#entries.at(-1)?.startOffset ?? offset(0);
  }

  /** The epoch that covers an offset, -1 when none does. */
  at(value: number): LeaderEpoch | -1 {
    // From the end: what is asked for is nearly always in the latest epochs.
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i]!;
      if (entry.startOffset <= value) return entry.epoch;
    }
    return -1;
  }

  /** Adds an epoch in memory. Earlier epochs that got no record are forgotten. */
  note(epoch: LeaderEpoch, startOffset: Offset): void {
    assert(epoch > this.latest, `epoch ${epoch} begins after epoch ${this.latest}`);
    assert(startOffset >= this.latestStart, `epoch ${epoch} starts at ${startOffset}, before the epoch in front of it`);
    if (this.#entries.at(-1)?.startOffset === startOffset) this.#entries.pop();
    this.#entries.push({ epoch, startOffset });
  }

  /** Forgets the epochs that start behind an offset. Tells whether there were any. */
  cutTo(end: Offset): boolean {
    const before = this.#entries.length;
    while (this.latestStart > end) this.#entries.pop();
    return this.#entries.length < before;
  }

  /** Writes the file, durably. */
  write(disk: Disk, directory: string): void {
    const body = Buffer.allocUnsafe(this.#entries.length * ENTRY_BYTES);
    let at = 0;
    for (const { epoch, startOffset } of this.#entries) {
      at = body.writeUInt32LE(epoch, at);
      at = body.writeBigInt64LE(BigInt(startOffset), at);
    }
    replaceFile(disk, directory, NAME, encodeStored(KIND, body));
  }
}
