import { DiskError, type Disk, type DiskFile } from '@weir/base/disk.ts';
import { decodeIndexFile, decodeIndexHeader, type IndexKind, type SegmentSummary } from './index-file.ts';
import { segmentPath } from './segment.ts';

interface Loaded {
  readonly kind: IndexKind;
  readonly segment: SegmentSummary;
  readonly entries: Buffer;
}

/**
 * Indexes of sealed segments, read when a cold read needs them; the least recently used go first. Keyed by the
 * segment's summary as an object, so that a log opened again starts afresh.
 */
export class IndexCache {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  #loaded: Loaded[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Hands over the entries of a segment's index; undefined when the file is missing or damaged. Readers then walk from
   * the segment's start; a damaged file is removed, so that the next start makes it again.
   */
  load(
    { disk, directory, segment, kind }: { disk: Disk; directory: string; segment: SegmentSummary; kind: IndexKind },
    done: (entries: Buffer | undefined) => void,
  ): void {
    const index = this.#loaded.findIndex((loaded) => loaded.segment === segment && loaded.kind === kind);
    const known = this.#loaded[index];
    if (known !== undefined) {
      this.#loaded.splice(index, 1);
      this.#loaded.push(known);
      return done(known.entries);
    }
    const path = segmentPath(directory, segment.baseOffset, kind);
    readWhole(disk, path, (bytes) => {
      const entries = bytes === undefined ? undefined : soundEntries(path, kind, bytes, segment);
      if (entries !== undefined) this.#keep({ kind, segment, entries });
      // One that is sound is another segment's that has taken this one's place.
      else if (bytes !== undefined && !isSound(path, kind, bytes)) removeQuietly(disk, path);
      done(entries);
    });
  }

  #keep(loaded: Loaded): void {
    if (loaded.entries.length > this.#bytesMax) return;
    this.#loaded.push(loaded);
    this.#bytes += loaded.entries.length;
    while (this.#bytes > this.#bytesMax) this.#bytes -= this.#loaded.shift()?.entries.length ?? 0;
  }
}

function soundEntries(path: string, kind: IndexKind, bytes: Buffer, segment: SegmentSummary): Buffer | undefined {
  try {
    return decodeIndexFile(path, kind, bytes, segment);
  } catch {
    // A newer version appeared under our feet: not ours to read.
    return undefined;
  }
}

function isSound(path: string, kind: IndexKind, bytes: Buffer): boolean {
  const header = decodeIndexHeader(path, kind, bytes, bytes.length);
  return header !== undefined && soundEntries(path, kind, bytes, header.summary) !== undefined;
}

function readWhole(disk: Disk, path: string, done: (bytes: Buffer | undefined) => void): void {
  let file: DiskFile;
  try {
    file = disk.open(path, 'read');
  } catch (error) {
    if (error instanceof DiskError) return done(undefined);
    throw error;
  }
  const bytes = Buffer.allocUnsafeSlow(file.size);
  file.read(bytes, 0, (error, length) => done(error === undefined ? bytes.subarray(0, length) : undefined));
  // The read under way ends first.
  file.close();
}

function removeQuietly(disk: Disk, path: string): void {
  try {
    disk.removeFile(path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
