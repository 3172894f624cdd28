import { DiskError, type Disk } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import { lacksResources } from '../log-errors.ts';
import { segmentName } from '../segment.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';

const NAME = /^(\d{20})\.(snapshot|no-producers)$/;

interface SnapshotFile {
  readonly at: Offset;
  /**
   * `no-producers`: the name says it all, so that a start need not read a file for each log without idempotent producers.
   */
  readonly ending: 'snapshot' | 'no-producers';
}

/** Producers as of an offset. */
export interface LoadedSnapshot {
  readonly at: Offset;
  readonly states: ProducerStates;
}

/**
 * The producer snapshots in a log's folder, named by the offset below which they know all batches. What a snapshot says
 * can be told from the batches as well, as long as they are there; so a torn one is found out by its CRC and passed over.
 */
export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  /** In offset order. */
  #files: SnapshotFile[] = [];

  /** @param names of the files in the folder */
  constructor(disk: Disk, directory: string, names: Iterable<string>) {
    this.#disk = disk;
    this.#directory = directory;
    for (const name of names) {
      const [, digits, ending] = NAME.exec(name) ?? [];
      const at = Number(digits ?? Number.NaN);
      if (Number.isSafeInteger(at)) this.#files.push({ at: offset(at), ending: ending as SnapshotFile['ending'] });
    }
    this.#files.sort((a, b) => a.at - b.at);
  }

  get count(): number {
    return this.#files.length;
  }

  /**
   * The newest good one. Damaged ones that are newer are removed.
   *
   * @throws Error when a newer Weir wrote it; DiskError
   */
  load(): LoadedSnapshot | undefined {
    for (const file of this.#files.toReversed()) {
      const states = this.#read(file);
      if (states !== undefined) return { at: file.at, states };
      this.#remove(({ at, ending }) => at === file.at && ending === file.ending);
    }
    return undefined;
  }

  /**
   * Writes one, in the place of any other of that offset. Without `sync` only the process may end afterwards; with it
   * the file is durable once its folder is synced.
   *
   * @throws DiskError
   */
  write(at: Offset, states: ProducerStates, { sync }: { readonly sync: boolean }): void {
    const ending = states.size === 0 ? 'no-producers' : 'snapshot';
    const there = this.#files.some((file) => file.at === at && file.ending === ending);
    // One of this offset was found to be good when the log was opened, or has been written since.
    if (there && (ending === 'no-producers' || !sync)) return;
    this.#remove((file) => file.at === at);
    const path = this.#path({ at, ending });
    this.#disk.removeFile(path);
    const file = this.#disk.open(path, 'create');
    try {
      if (ending === 'snapshot') {
        file.append([encodeSnapshot(at, states)]);
        if (sync) file.syncNow();
      }
    } finally {
      file.close();
    }
    this.#files.push({ at, ending });
    this.#files.sort((a, b) => a.at - b.at);
  }

  /** Removes those that know batches which are not there. Tells whether there were any. */
  removeBeyond(end: Offset): boolean {
    return this.#remove(({ at }) => at > end);
  }

  /** Removes those that lack batches which are gone. */
  removeBefore(first: Offset): void {
    this.#remove(({ at }) => at < first);
  }

  /** Removes all between two offsets. */
  removeBetween(from: Offset, to: Offset): void {
    this.#remove(({ at }) => at > from && at < to);
  }

  /** Removes all but the newest ones. */
  keepNewest(count: number): void {
    const kept = new Set(count === 0 ? [] : this.#files.slice(-count));
    this.#remove((file) => !kept.has(file));
  }

  #read(file: SnapshotFile): ProducerStates | undefined {
    if (file.ending === 'no-producers') return new ProducerStates();
    const path = this.#path(file);
    try {
      const bytes = this.#disk.readFile(path);
      return bytes === undefined ? undefined : decodeSnapshot(path, file.at, bytes);
    } catch (error) {
      // One that cannot be read is as good as damaged: the batches say the same.
      if (error instanceof DiskError && !lacksResources(error)) return undefined;
      throw error;
    }
  }

  #remove(isGone: (file: SnapshotFile) => boolean): boolean {
    const gone = this.#files.filter(isGone);
    if (gone.length === 0) return false;
    for (const file of gone) this.#disk.removeFile(this.#path(file));
    this.#files = this.#files.filter((file) => !isGone(file));
    return true;
  }

  #path({ at, ending }: SnapshotFile): string {
    return `${this.#directory}/${segmentName(at)}.${ending}`;
  }
}
