import { present } from '@weir/base/assert.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { leaderEpoch, offset, type Offset } from '@weir/base/ids.ts';
import {
  decodeIndexFile,
  decodeIndexHeader,
  INDEX_HEADER_BYTES,
  type IndexKind,
  type SegmentSummary,
} from './index-file.ts';
import { CleanPoint } from './compaction/clean-point.ts';
import { finishSwaps } from './compaction/segment-swap.ts';
import { DAMAGE_MARK, readDamageMark } from './damage-mark.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { LogFolder } from './log-folder.ts';
import { LOG_START_FILE, readLogStart, writeLogStart } from './log-start.ts';
import { OffsetIndex } from './offset-index.ts';
import { LogProducers } from './producers/log-producers.ts';
import { ProducerStates } from './producers/producer-states.ts';
import { findProducers } from './producers/recover-producers.ts';
import { SnapshotFiles } from './producers/snapshot-files.ts';
import { restartLog } from './restart-log.ts';
import { findValidBatch, scanSegment, type SegmentScan } from './segment-scan.ts';
import {
  ActiveSegment,
  emptySegment,
  firstTimestampOf,
  removeSegment,
  segmentName,
  segmentPath,
  writeIndexes,
  type SegmentIndexes,
} from './segment.ts';
import { Segments } from './segments.ts';
import { TimeIndex } from './time-index.ts';
import {
  provenEnd,
  readTruncationMark,
  TRUNCATION_MARK,
  writeTruncationMark,
  type TruncationMark,
} from './truncation-mark.ts';
import { writeAgain } from './write-again.ts';

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
  /** Files that were missing or wrong and were made again: both indexes of a sealed segment, the leader epochs. */
  readonly rebuiltFiles: number;
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
  /** All below it was covered by a sync that returned, a file's own or the journal's. */
  readonly durableFrom: Offset;
  /** The last run's journal, which is still there, has groups of it. */
  readonly inJournal: boolean;
  /** The broker stopped in order: the active segment's index files tell its end. */
  readonly cleanShutdown: boolean;
  readonly batchBytesMax: number;
  /**
   * The most that can have been unsynced at the end of the log, and not in the journal: one group with `flush=commit`. A
   * valid batch further behind a bad byte proves that the byte had been synced.
   */
  readonly unsyncedBytesMax: number;
  readonly indexIntervalBytes: number;
}

/** A log as recovery left it. */
export interface RecoveredLog {
  /** Without an active segment when there is damage. */
  readonly segments: Segments;
  readonly epochs: LeaderEpochs;
  readonly producers: LogProducers;
  readonly cleanPoint: CleanPoint;
  /** The first offset that may be read. */
  readonly startOffset: Offset;
  /** Of the last cut, as long as anything may be older than it. */
  readonly truncation: TruncationMark | undefined;
  readonly report: RecoveryReport;
}

/**
 * Opens a log's files and brings them into order after whatever ended the last process.
 *
 * What the journal held is in the files by now (see journal/replay-journal.ts). A bad byte is *damage* when it lies below
 * what is known to have been durable (the checkpoint, the journal's end, the log's start, the start of the latest leader
 * epoch, everything in a sealed segment), or when a valid batch starts more than `unsyncedBytesMax` behind it:
 * then nothing is cut. Of a log that was truncated not all that is said counts (see truncation-mark.ts). Otherwise it is the torn tail of the last write: it is cut off and kept aside. In the end all
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
  readonly #snapshots: SnapshotFiles;
  /** The leader-epoch file is missing, damaged or torn: the batches tell the epochs behind those that it has. */
  #epochsLost: boolean;
  readonly #start: Offset;
  /** The log was cut. */
  #truncation: TruncationMark | undefined;
  /** There is a log-start file, and it is damaged. */
  readonly #startLost: boolean;
  readonly #truncationLost: boolean;
  /** Everything below was durable. */
  readonly #floor: Offset;
  #scannedBytes = 0;
  #rebuiltFiles = 0;
  #torn: { readonly bytes: number; readonly keptAside: string | undefined } | undefined;

  constructor(options: RecoveryOptions) {
    const { disk, directory, durableFrom } = options;
    this.#options = options;
    const mark = readTruncationMark(disk, directory);
    this.#truncationLost = mark === 'damaged';
    this.#truncation = mark === 'damaged' ? undefined : mark;
    if (this.#truncation?.restartAt !== undefined) this.#truncation = restartLog(disk, directory, this.#truncation);
    finishSwaps(disk, directory);
    this.#folder = LogFolder.open(disk, directory);
    const { epochs, whole } = LeaderEpochs.read(disk, directory);
    const start = this.#folder.has(LOG_START_FILE) ? readLogStart(disk, directory) : offset(0);
    this.#snapshots = new SnapshotFiles(disk, directory, this.#folder.names);
    this.#epochsLost = !whole;
    this.#epochs = epochs;
    this.#startLost = start === undefined;
    this.#start = start ?? this.#folder.segmentBases[0] ?? offset(0);
    const proven = [durableFrom, this.#epochs.latestStart].map((said) => provenEnd(this.#truncation, said));
    this.#floor = offset(Math.max(...proven, this.#truncation?.durable ?? 0, this.#start));
  }

  run(): RecoveredLog {
    const { disk, directory } = this.#options;
    const bases = this.#presentSegments();
    const activeBase = bases.pop();
    if (activeBase === undefined) return this.#createLog();
    const firstBase = bases[0] ?? activeBase;
    const marked = this.#folder.has(DAMAGE_MARK) ? readDamageMark(disk, directory) : undefined;
    if (marked !== undefined) {
      return this.#damaged({ segment: `${segmentName(firstBase)}.log`, position: 0, offset: firstBase, why: marked });
    }
    if (this.#truncationLost) {
      const why = `the file "${TRUNCATION_MARK}" is damaged: nobody knows what is older than the last cut`;
      return this.#damaged({ segment: `${segmentName(firstBase)}.log`, position: 0, offset: firstBase, why });
    }
    if (firstBase > this.#start) {
      const why = `the segment that has offset ${this.#start} is missing; the first one begins at ${firstBase}`;
      return this.#damaged({ segment: `${segmentName(this.#start)}.log`, position: 0, offset: this.#start, why });
    }
    for (const [i, base] of bases.entries()) {
      const damage = this.#recoverSealed(base, present(bases[i + 1] ?? activeBase, 'a later segment'));
      if (damage !== undefined) return this.#damaged(damage);
    }
    const recovered = this.#recoverActive(activeBase);
    if (recovered.report.damage !== undefined) return recovered;
    this.#goOnWithTruncation(present(recovered.segments.active, 'a sound log has an active segment').endOffset);
    return this.#restoreFiles(recovered);
  }

  /** The segments' base offsets in order, without those that lie below the start: their removal was cut short. */
  #presentSegments(): Offset[] {
    const { disk, directory } = this.#options;
    const bases = this.#folder.segmentBases;
    while (bases.length > 1 && bases[1]! <= this.#start) removeSegment(disk, directory, bases.shift()!);
    if (this.#isLeftOver(bases)) removeSegment(disk, directory, bases.pop()!);
    return bases;
  }

  /**
   * Whether the last segment is an empty one that the disk refused to make durable, so that the one before it was gone
   * on with, past where this one begins.
   */
  #isLeftOver(bases: readonly Offset[]): boolean {
    const [previous, last] = bases.slice(-2);
    if (previous === undefined || last === undefined || this.#folder.sizeOf(`${segmentName(last)}.log`) > 0)
      return false;
    if (this.#trustedSummary(previous, last) !== undefined) return false;
    const file = this.#options.disk.open(segmentPath(this.#options.directory, previous, '.log'), 'read');
    try {
      return this.#scan(file, previous).good.endOffset > last;
    } finally {
      file.close();
    }
  }

  /** Writes the small files that were lost, now that the log has told what was in them. */
  #restoreFiles(recovered: RecoveredLog): RecoveredLog {
    const { disk, directory } = this.#options;
    if (this.#epochsLost && this.#epochs.latest !== -1) {
      this.#epochs.write(disk, directory);
      this.#rebuiltFiles += 1;
    }
    if (this.#startLost) {
      writeLogStart(disk, directory, this.#start);
      this.#rebuiltFiles += 1;
    }
    return { ...recovered, truncation: this.#truncation, report: this.#report(undefined) };
  }

  /** A cut may have come as far as the segments and not as far as the epochs. */
  #goOnWithTruncation(end: Offset): void {
    if (this.#truncation === undefined) return;
    const { disk, directory, inJournal } = this.#options;
    if (this.#epochs.cutTo(end)) this.#epochs.write(disk, directory);
    const { durable, until } = this.#truncation;
    if (!inJournal && end >= until) {
      // All that the checkpoint may say is true again.
      disk.removeFile(`${directory}/${TRUNCATION_MARK}`);
      this.#truncation = undefined;
    } else if (end !== durable) {
      this.#truncation = writeTruncationMark(disk, directory, { durable: end, until });
    }
  }

  #createLog(): RecoveredLog {
    const base = offset(0);
    if (this.#floor > 0) {
      const why = `the log is empty, and offsets below ${this.#floor} were durable`;
      return this.#damaged({ segment: `${segmentName(base)}.log`, position: 0, offset: base, why });
    }
    this.#folder.createSegment(base);
    return this.#sound(emptySegment(base, this.#options.indexIntervalBytes), undefined);
  }

  #recoverSealed(base: Offset, nextBase: Offset): LogDamage | undefined {
    // Where the epochs have to be found again, every batch is looked at.
    const trusted = this.#epochsLost ? undefined : this.#trustedSummary(base, nextBase);
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
    this.#rebuiltFiles += 1;
    return undefined;
  }

  #recoverActive(base: Offset): RecoveredLog {
    const file = this.#options.disk.open(segmentPath(this.#options.directory, base, '.log'), 'append');
    try {
      return this.#recoverFile(file, base);
    } finally {
      file.close();
    }
  }

  #recoverFile(file: DiskFile, base: Offset): RecoveredLog {
    const { disk, directory } = this.#options;
    const closed = this.#options.cleanShutdown && !this.#epochsLost ? this.#closedSegment(file, base) : undefined;
    // From now on they would only tell of an older, shorter segment.
    this.#folder.removeIndexes(base);
    if (closed !== undefined) {
      if (this.#snapshots.removeBeyond(closed.endOffset)) disk.syncDirectory(directory);
      return this.#sound(closed, undefined);
    }
    const producers = new ProducerStates();
    const scan = this.#scan(file, base, producers);
    const damage = this.#damageOf(scan, file);
    if (damage !== undefined) {
      this.#sealed.push(scan.good);
      return this.#damaged(damage);
    }
    if (scan.bad !== undefined) this.#cutTornTail(file, scan.good);
    // Before others can have the offsets that they know of.
    this.#snapshots.removeBeyond(scan.good.endOffset);
    // What survived a dead process (names, bytes, a cut) may still be in memory alone, and from here on it counts.
    this.#writeAgain(scan);
    file.syncNow();
    disk.syncDirectory(directory);
    return this.#sound(this.#activate(file, scan.good, scan), producers);
  }

  /** Writes what no sync is known to cover once more: one that failed over it has left it in memory, as if it were written. */
  #writeAgain({ good, offsets }: SegmentScan): void {
    const { disk, directory, unsyncedBytesMax } = this.#options;
    const { baseOffset, endOffset, bytes } = good;
    if (this.#floor >= endOffset) return;
    const known = offsets.positionOf(Math.max(0, this.#floor - baseOffset));
    const from = Math.max(known, bytes - unsyncedBytesMax);
    writeAgain(disk, segmentPath(directory, baseOffset, '.log'), { from, to: bytes });
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

  #scan(file: DiskFile, baseOffset: Offset, producers?: ProducerStates): SegmentScan {
    this.#scannedBytes += file.size;
    const { batchBytesMax, indexIntervalBytes } = this.#options;
    return scanSegment({
      file,
      baseOffset,
      batchBytesMax,
      indexIntervalBytes,
      epochProblem: (epoch, base) => this.#epochProblem(epoch, base),
      visit: (buffer, at) => producers?.replay(buffer, at),
    });
  }

  #epochProblem(epoch: number, base: Offset): string | undefined {
    const { latest, latestStart } = this.#epochs;
    const known = this.#epochs.at(base);
    if (known === epoch) return undefined;
    // Which epochs there were below the start has been forgotten.
    if (known === -1 && base < this.#start && (latest !== -1 || !this.#epochsLost)) return undefined;
    if (this.#epochsLost && base >= latestStart && epoch >= 0) return this.#learnEpoch(epoch, base);
    return `a batch of leader epoch ${epoch} at an offset of leader epoch ${known}`;
  }

  /**
   * No CRC covers a batch's epoch. But epochs never decrease along a log, and one that is too high makes the next batch
   * look too low; in the last batch it is found out when a leader with a lower one comes.
   */
  #learnEpoch(epoch: number, base: Offset): string | undefined {
    const { latest } = this.#epochs;
    if (epoch < latest) return `a batch of leader epoch ${epoch} behind one of leader epoch ${latest}`;
    this.#epochs.note(leaderEpoch(epoch), base);
    return undefined;
  }

  /** What a sealed segment's index files say, as long as it agrees with the log's size and the next segment. */
  #trustedSummary(base: Offset, nextBase: Offset): SegmentSummary | undefined {
    const bytes = this.#folder.sizeOf(`${segmentName(base)}.log`);
    let summary: SegmentSummary | undefined;
    for (const kind of ['.index', '.timeindex'] as const) {
      summary = this.#indexSummary(base, bytes, kind);
      if (summary?.baseOffset !== base || summary.bytes !== bytes || summary.endOffset !== nextBase) return undefined;
    }
    return summary !== undefined && this.#fitsEpochs(summary) ? summary : undefined;
  }

  /** A leader-epoch file that was cut short between two entries is found out by the epoch of a segment's last batch. */
  #fitsEpochs({ baseOffset, endOffset, lastEpoch }: SegmentSummary): boolean {
    if (endOffset === baseOffset || endOffset <= this.#start || this.#epochs.at(endOffset - 1) === lastEpoch)
      return true;
    this.#epochsLost = true;
    return false;
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
    if (!this.#fitsEpochs(offsets.summary)) return undefined;
    return this.#activate(file, offsets.summary, {
      offsets: new OffsetIndex(offsets.entries),
      times: new TimeIndex(times.entries),
    });
  }

  #activate(file: DiskFile, summary: SegmentSummary, { offsets, times }: SegmentIndexes): ActiveSegment {
    const { indexIntervalBytes } = this.#options;
    return new ActiveSegment({ summary, firstTimestampMs: firstTimestampOf(file), offsets, times, indexIntervalBytes });
  }

  /** @param scanned the producers of the active segment, when it was scanned */
  #sound(active: ActiveSegment, scanned: ProducerStates | undefined): RecoveredLog {
    const { disk, directory, batchBytesMax } = this.#options;
    const files = this.#snapshots;
    const segments = [...this.#sealed, active];
    return {
      producers: new LogProducers(
        findProducers({ disk, directory, batchBytesMax, files, segments, scanned }),
        this.#snapshots,
      ),
      cleanPoint: this.#cleanPoint(active.endOffset),
      segments: new Segments(this.#sealed, active),
      epochs: this.#epochs,
      startOffset: this.#start,
      truncation: this.#truncation,
      report: this.#report(undefined),
    };
  }

  #damaged(damage: LogDamage): RecoveredLog {
    return {
      producers: new LogProducers(new ProducerStates(), this.#snapshots),
      cleanPoint: this.#cleanPoint(offset(Number.MAX_SAFE_INTEGER)),
      segments: new Segments(this.#sealed, undefined),
      epochs: this.#epochs,
      startOffset: this.#start,
      truncation: this.#truncation,
      report: this.#report(damage),
    };
  }

  #cleanPoint(end: Offset): CleanPoint {
    const { disk, directory } = this.#options;
    return new CleanPoint(disk, directory, this.#folder.names, end);
  }

  #report(damage: LogDamage | undefined): RecoveryReport {
    return {
      scannedBytes: this.#scannedBytes,
      tornBytesCut: this.#torn?.bytes ?? 0,
      ...(this.#torn?.keptAside === undefined ? {} : { keptAside: this.#torn.keptAside }),
      ...(damage === undefined ? {} : { damage }),
      rebuiltFiles: this.#rebuiltFiles,
    };
  }
}
