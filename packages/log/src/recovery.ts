import { present } from '@weir/base/assert.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { offset, type Offset } from '@weir/base/ids.ts';
import {
  decodeIndexFile,
  decodeIndexHeader,
  INDEX_HEADER_BYTES,
  type IndexKind,
  type SegmentSummary,
} from './index-file.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { LogFolder } from './log-folder.ts';
import { OffsetIndex } from './offset-index.ts';
import { findValidBatch, scanSegment, type SegmentScan } from './segment-scan.ts';
import { ActiveSegment, segmentName, segmentPath, writeIndexes } from './segment.ts';
import { Segments } from './segments.ts';
import { TimeIndex } from './time-index.ts';

/** What opening a log found. */
export interface RecoveryReport {
  /** Bytes of segments whose batches were checked one by one. */
  readonly scannedBytes: number;
  /** Bytes of an unfinished write that were cut off the end. None of them ever counted. */
  readonly tornBytesCut: number;
  /** Where the first of the cut bytes are kept for a person to look at. */
  readonly keptAside?: string;
  /** Then the replica is doubtful: nothing was cut, and the log is not appendable. */
  readonly damage?: LogDamage;
  /** Sealed segments whose index files were missing or wrong, and were made again. */
  readonly rebuiltIndexes: number;
}

/** Bytes that were durable and are no longer what was written. */
export interface LogDamage {
  /** The file's name. */
  readonly segment: string;
  /** Of the first bad byte in it. */
  readonly position: number;
  /** The first offset that is in doubt. */
  readonly offset: Offset;
  readonly why: string;
}

/** What recovery goes by. */
export interface RecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** All below it was covered by a sync that returned. */
  readonly checkpoint: Offset;
  /** The broker stopped in order: the active segment's index files tell its end. */
  readonly cleanShutdown: boolean;
  readonly batchBytesMax: number;
  /**
   * The most that can have been unsynced at the end of the log: one group with `flush=commit`. A valid batch further
   * behind a bad byte proves that the byte had been synced.
   */
  readonly unsyncedBytesMax: number;
  readonly indexIntervalBytes: number;
}

/** A log as recovery left it. */
export interface RecoveredLog {
  /** Without an active segment when there is damage. */
  readonly segments: Segments;
  readonly epochs: LeaderEpochs;
  readonly report: RecoveryReport;
}

/**
 * Opens a log's files and brings them into order after whatever ended the last process.
 *
 * A bad byte is *damage* when it lies below what is known to have been durable (the checkpoint, the start of the latest
 * leader epoch, everything in a sealed segment), or when a valid batch starts more than `unsyncedBytesMax` behind it:
 * then nothing is cut. Otherwise it is the torn tail of the last write: it is cut off and kept aside. In the end all
 * that is left is durable.
 *
 * @throws DiskError; Error when a newer Weir wrote one of the files
 */
export function recoverLog(options: RecoveryOptions): RecoveredLog {
  return new Recovery(options).run();
}

class Recovery {
  readonly #options: RecoveryOptions;
  readonly #folder: LogFolder;
  readonly #sealed: SegmentSummary[] = [];
  readonly #epochs: LeaderEpochs;
  /** There is no sound leader-epoch file. */
  readonly #epochsUnknown: boolean;
  /** Everything below was durable. */
  readonly #floor: Offset;
  #scannedBytes = 0;
  #rebuiltIndexes = 0;
  #torn: { readonly bytes: number; readonly keptAside: string | undefined } | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#folder = LogFolder.open(options.disk, options.directory);
    const epochs = LeaderEpochs.read(options.disk, options.directory);
    this.#epochsUnknown = epochs === undefined;
    this.#epochs = epochs ?? new LeaderEpochs();
    this.#floor = offset(Math.max(options.checkpoint, this.#epochs.latestStart));
  }

  run(): RecoveredLog {
    const bases = [...this.#folder.segmentBases];
    const activeBase = bases.pop();
    if (activeBase === undefined) return this.#createLog();
    const firstBase = bases[0] ?? activeBase;
    if (this.#epochsUnknown && (bases.length > 0 || this.#folder.sizeOf(`${segmentName(activeBase)}.log`) > 0)) {
      // It was durable before the first append, so no crash does this. The batches' headers have the epochs too, but
      // no CRC covers them there: one flipped bit would be believed, and outlast every true epoch.
      const why = 'its leader-epoch file is missing or damaged';
      return this.#damaged({ segment: `${segmentName(firstBase)}.log`, position: 0, offset: firstBase, why });
    }
    if (firstBase !== 0) {
      const why = `the segment that begins at offset 0 is missing; the first one begins at ${firstBase}`;
      return this.#damaged({ segment: `${segmentName(offset(0))}.log`, position: 0, offset: offset(0), why });
    }
    for (const [i, base] of bases.entries()) {
      const damage = this.#recoverSealed(base, present(bases[i + 1] ?? activeBase, 'a later segment'));
      if (damage !== undefined) return this.#damaged(damage);
    }
    return this.#recoverActive(activeBase);
  }

  #createLog(): RecoveredLog {
    const base = offset(0);
    const segment = `${segmentName(base)}.log`;
    if (this.#floor > 0) {
      const why = `the log is empty, and offsets below ${this.#floor} were durable`;
      return this.#damaged({ segment, position: 0, offset: base, why });
    }
    const file = this.#folder.createSegment(base);
    const summary = { baseOffset: base, endOffset: base, bytes: 0, maxTimestampMs: -1 };
    return this.#sound(this.#activate(file, summary, { offsets: new OffsetIndex(), times: new TimeIndex() }));
  }

  #recoverSealed(base: Offset, nextBase: Offset): LogDamage | undefined {
    const trusted = this.#trustedSummary(base, nextBase);
    if (trusted !== undefined) {
      this.#sealed.push(trusted);
      return undefined;
    }
    const { disk, directory } = this.#options;
    const file = disk.open(segmentPath(directory, base, '.log'), 'read');
    let scan: SegmentScan;
    try {
      scan = this.#scan(file, base);
    } finally {
      file.close();
    }
    this.#sealed.push(scan.good);
    const { bytes, endOffset } = scan.good;
    const where = { segment: `${segmentName(base)}.log`, position: bytes, offset: endOffset };
    // A segment is synced before the next one is made: whatever is wrong with it was right once.
    if (scan.bad !== undefined) return { ...where, why: scan.bad };
    if (endOffset !== nextBase)
      return { ...where, why: `it ends at offset ${endOffset}, the next begins at ${nextBase}` };
    writeIndexes(disk, directory, scan.good, scan);
    this.#rebuiltIndexes += 1;
    return undefined;
  }

  #recoverActive(base: Offset): RecoveredLog {
    const file = this.#options.disk.open(segmentPath(this.#options.directory, base, '.log'), 'append');
    try {
      return this.#recoverFile(file, base);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #recoverFile(file: DiskFile, base: Offset): RecoveredLog {
    const { disk, directory } = this.#options;
    const closed = this.#options.cleanShutdown ? this.#closedSegment(file, base) : undefined;
    // From now on they would only tell of an older, shorter segment.
    this.#folder.removeIndexes(base);
    if (closed !== undefined) return this.#sound(closed);
    const scan = this.#scan(file, base);
    const damage = this.#damageOf(scan, file);
    if (damage !== undefined) {
      file.close();
      this.#sealed.push(scan.good);
      return this.#damaged(damage);
    }
    if (scan.bad !== undefined) this.#cutTornTail(file, scan.good);
    // What survived a dead process may still be in memory alone, and from here on it counts.
    file.syncNow();
    disk.syncDirectory(directory);
    return this.#sound(this.#activate(file, scan.good, scan));
  }

  #damageOf({ good, bad }: SegmentScan, file: DiskFile): LogDamage | undefined {
    const { batchBytesMax, unsyncedBytesMax } = this.#options;
    const where = { segment: `${segmentName(good.baseOffset)}.log`, position: good.bytes, offset: good.endOffset };
    const what = bad ?? 'the log ends';
    if (good.endOffset < this.#floor) {
      return { ...where, why: `${what} at offset ${good.endOffset}, and offsets below ${this.#floor} were durable` };
    }
    const beyond = good.bytes + unsyncedBytesMax + 1;
    if (bad === undefined || beyond >= file.size) return undefined;
    const found = findValidBatch(file, beyond, { above: good.endOffset, batchBytesMax });
    if (found === undefined) return undefined;
    return { ...where, why: `${what}, and a valid batch follows at position ${found}: further than one write reaches` };
  }

  #cutTornTail(file: DiskFile, good: SegmentSummary): void {
    const keptAside = this.#folder.keepAside(file, { position: good.bytes, name: segmentName(good.endOffset) });
    this.#torn = { bytes: file.size - good.bytes, keptAside };
    file.truncate(good.bytes);
  }

  #scan(file: DiskFile, baseOffset: Offset): SegmentScan {
    this.#scannedBytes += file.size;
    const { batchBytesMax, indexIntervalBytes } = this.#options;
    return scanSegment({
      file,
      baseOffset,
      batchBytesMax,
      indexIntervalBytes,
      epochProblem: (epoch, base) => this.#epochProblem(epoch, base),
    });
  }

  #epochProblem(epoch: number, base: Offset): string | undefined {
    const known = this.#epochs.at(base);
    return known === epoch ? undefined : `a batch of leader epoch ${epoch} at an offset of leader epoch ${known}`;
  }

  /** What a sealed segment's index files say, as long as it agrees with the log's size and the next segment. */
  #trustedSummary(base: Offset, nextBase: Offset): SegmentSummary | undefined {
    const bytes = this.#folder.sizeOf(`${segmentName(base)}.log`);
    let summary: SegmentSummary | undefined;
    for (const kind of ['.index', '.timeindex'] as const) {
      summary = this.#indexSummary(base, bytes, kind);
      if (summary?.baseOffset !== base || summary.bytes !== bytes || summary.endOffset !== nextBase) return undefined;
    }
    return summary;
  }

  /** After a clean stop the headers have to do; the entries are checked when they are first used. */
  #indexSummary(base: Offset, logBytes: number, kind: IndexKind): SegmentSummary | undefined {
    const path = segmentPath(this.#options.directory, base, kind);
    if (!this.#options.cleanShutdown) return this.#loadIndex(base, logBytes, kind)?.summary;
    const size = this.#folder.sizeOf(`${segmentName(base)}${kind}`);
    const front = this.#folder.front(`${segmentName(base)}${kind}`, INDEX_HEADER_BYTES);
    return decodeIndexHeader(path, kind, front, size)?.summary;
  }

  #loadIndex(
    base: Offset,
    logBytes: number,
    kind: IndexKind,
  ): { summary: SegmentSummary; entries: Buffer } | undefined {
    const path = segmentPath(this.#options.directory, base, kind);
    const bytes = this.#options.disk.readFile(path);
    if (bytes === undefined) return undefined;
    const entries = decodeIndexFile(path, kind, bytes, { baseOffset: base, bytes: logBytes });
    const header = decodeIndexHeader(path, kind, bytes, bytes.length);
    return entries === undefined || header === undefined ? undefined : { summary: header.summary, entries };
  }

  /** The active segment as a clean stop left it; undefined when its index files are not there or do not fit. */
  #closedSegment(file: DiskFile, base: Offset): ActiveSegment | undefined {
    const offsets = this.#loadIndex(base, file.size, '.index');
    const times = this.#loadIndex(base, file.size, '.timeindex');
    if (offsets === undefined || times === undefined || offsets.summary.endOffset < this.#floor) return undefined;
    return this.#activate(file, offsets.summary, {
      offsets: new OffsetIndex(offsets.entries),
      times: new TimeIndex(times.entries),
    });
  }

  #activate(
    file: DiskFile,
    summary: SegmentSummary,
    { offsets, times }: { offsets: OffsetIndex; times: TimeIndex },
  ): ActiveSegment {
    return new ActiveSegment({ file, summary, offsets, times, indexIntervalBytes: this.#options.indexIntervalBytes });
  }

  #sound(active: ActiveSegment): RecoveredLog {
    return { segments: new Segments(this.#sealed, active), epochs: this.#epochs, report: this.#report(undefined) };
  }

  #damaged(damage: LogDamage): RecoveredLog {
    return { segments: new Segments(this.#sealed, undefined), epochs: this.#epochs, report: this.#report(damage) };
  }

  #report(damage: LogDamage | undefined): RecoveryReport {
    return {
      scannedBytes: this.#scannedBytes,
      tornBytesCut: this.#torn?.bytes ?? 0,
      ...(this.#torn?.keptAside === undefined ? {} : { keptAside: this.#torn.keptAside }),
      ...(damage === undefined ? {} : { damage }),
      rebuiltIndexes: this.#rebuiltIndexes,
    };
  }
}
