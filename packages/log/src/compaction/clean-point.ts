import { DiskError, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { segmentName } from '../segment.ts';

const NAME = /^(\d{20})\.clean$/;

/**
 * Up to where a log has been compacted: what lies below has no record of a key that has another one there. It is a name in the
 * log's folder: one that is too low costs a pass.
 */
export class CleanPoint {
  readonly #disk: Disk;
  readonly #directory: string;
  #value: Offset;

  /**
   * @param names - of the files in the folder
   * @param end - of the log: a cut may have left a name from behind it
   */
  constructor(disk: Disk, directory: string, names: Iterable<string>, end: Offset) {
    this.#disk = disk;
    this.#directory = directory;
    let value = 0;
    for (const name of names) value = Math.max(value, Number(NAME.exec(name)?.[1] ?? 0));
    this.#value = offset(value);
    if (value > end) this.truncate(end);
  }

  get value(): Offset {
    return this.#value;
  }

  /**
   * A pass has ended, and all that it did is durable.
   *
   * @throws DiskError
   */
  move(to: Offset): void {
    this.#write(to);
    this.#disk.syncDirectory(this.#directory);
    this.#value = to;
  }

  /** The log is about to be cut, and the folder synced. Where the disk refuses, the next start goes by the log's end. */
  truncate(end: Offset): void {
    if (end >= this.#value) return;
    this.#value = end;
    try {
      this.#write(end);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** The log was made anew, and with it its folder. */
  clear(): void {
    this.#value = offset(0);
  }

  #write(at: Offset): void {
    const disk = this.#disk;
    const names = (disk.list(this.#directory) ?? []).filter((name) => NAME.test(name));
    const name = `${segmentName(at)}.clean`;
    if (!names.includes(name)) disk.open(`${this.#directory}/${name}`, 'create').close();
    for (const other of names) if (other !== name) disk.removeFile(`${this.#directory}/${other}`);
  }
}
