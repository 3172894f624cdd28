import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { messageOf } from '@weir/base/errors.ts';
import type { Offset } from '@weir/base/ids.ts';
import { encodeCheckpoint } from '@weir/log/checkpoint.ts';

/** A file at the top of the data directory that has an offset for each partition's folder, in the checkpoint's format. */
export class OffsetsFile {
  readonly #disk: Disk;
  readonly #name: string;
  /** New contents are on their way to the disk. */
  #isWriting = false;
  /** Newer ones were written meanwhile. */
  #isSuperseded = false;

  constructor(disk: Disk, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  /** What is on its way is older than what was written by another road just now. */
  supersede(): void {
    this.#isSuperseded = this.#isWriting;
  }

  /**
   * Writes it with the loop free meanwhile. That the new file has taken the place of the old one may be forgotten in a
   * crash: what is in the old one has to be as true, only older.
   *
   * @returns false when the contents before are still on their way: then these are not written
   */
  writeSoon(offsets: ReadonlyMap<string, Offset>, failed: (error: Error) => void): boolean {
    // A slow disk gets the next ones when it is done with these.
    if (this.#isWriting) return false;
    const temporary = `${this.#name}.soon`;
    let opened: DiskFile | undefined;
    try {
      this.#disk.removeFile(temporary);
      const file = this.#disk.open(temporary, 'create');
      opened = file;
      file.append([encodeCheckpoint(offsets)]);
      this.#isWriting = true;
      file.sync((error) => {
        this.#isWriting = false;
        file.close();
        try {
          if (error !== undefined) throw error;
          if (this.#isSuperseded) this.#disk.removeFile(temporary);
          else this.#disk.rename(temporary, this.#name);
        } catch (thrown) {
          failed(asError(thrown));
        } finally {
          this.#isSuperseded = false;
        }
      });
    } catch (thrown) {
      this.#isWriting = false;
      opened?.close();
      failed(asError(thrown));
    }
    return true;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown));
}
