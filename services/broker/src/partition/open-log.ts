import { InvariantViolation } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import type { Disk } from '@weir/base/disk.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import { Log } from '@weir/log/log.ts';
import { passesByItself } from '@weir/log/log-errors.ts';
import type { RecoveryReport } from '@weir/log/recovery.ts';
import type { Journal } from '@weir/log/journal/journal.ts';
import type { OpenFiles } from '@weir/log/open-files.ts';
import type { TailCache } from '@weir/log/tail-cache.ts';
import { writeTruncationMark } from '@weir/log/truncation-mark.ts';
import { PARTITION_FILE, readPartitionFile, writeNewPartitionFile, writePartitionFile } from './partition-file.ts';
import type { PartitionFile } from './partition-file.ts';
import { topicSettings } from './topic-settings.ts';
import type { FlushPolicy, TopicSettings } from './topic-settings.ts';

/** What opening a log needs. */
export interface LogHome {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly cache: TailCache;
  readonly files: OpenFiles;
  readonly journal: Journal;
  readonly defaultFlush: FlushPolicy;
}

/** How the last run left it. */
export interface LastRun {
  /** The durable recovery points by folder. */
  readonly checkpoint: ReadonlyMap<string, Offset>;
  /** What was committed at least, by folder. */
  readonly highWatermarks: ReadonlyMap<string, Offset>;
  readonly cleanShutdown: boolean;
  /** What the journal had of each log, by the log's directory. */
  readonly journalEnds: ReadonlyMap<string, Offset>;
  /** A part of the journal is lost, and nobody knows whose records were in it. */
  readonly journalDamaged: boolean;
  /** Directories of logs whose files did not take what the journal has of them. */
  readonly journalRefused: readonly string[];
}

/** Why a replica is not to be trusted, in the words of the registration. */
export type Doubt = 'missing' | 'damaged' | 'unsynced';

/** What came of a folder. Without a log, or with a damaged one, `offline` says why. */
export interface OpenedPartition {
  readonly topic: string;
  readonly settings: TopicSettings;
  readonly log: Log | undefined;
  readonly offline: string | undefined;
  readonly doubt: Doubt | undefined;
  /** Whether a damaged one may be made anew without a person: not when it was a mistake of ours that it is called so. */
  readonly heals: boolean;
  readonly report: RecoveryReport | undefined;
  /** False: the folder lacks the file that tells the topic's configs, and the metadata has to tell them. */
  readonly described: boolean;
}

/** Where a partition's folder is. */
export function directoryOf(folder: string): string {
  return `partitions/${folder}`;
}

/**
 * Opens the log of a folder that an earlier run left, and says whether its contents can be trusted (R9 in docs/INVARIANTS.md).
 *
 * @throws Error when a newer Weir wrote it: then nothing may be touched
 */
export function openExisting(folder: string, home: LogHome, lastRun: LastRun): OpenedPartition {
  const directory = directoryOf(folder);
  let file: PartitionFile | undefined;
  try {
    file = readPartitionFile(home.disk, directory);
    // Without the file the topic's own word is not known yet: then nothing counts that is not synced.
    const settings = topicSettings(file?.configs ?? {}, file === undefined ? 'commit' : home.defaultFlush);
    const topic = file?.topic ?? folder;
    const { log, recovery } = openLog(directory, settings, home, {
      checkpoint: lastRun.checkpoint.get(folder) ?? offset(0),
      journalEnd: lastRun.journalEnds.get(directory),
      cleanShutdown: lastRun.cleanShutdown,
      // Not knowing it, the smaller reach: to call a torn tail damaged loses nothing.
      lastFlush: file?.flush ?? 'commit',
    });
    const common = { topic, settings, log, heals: true, report: recovery, described: file !== undefined };
    if (recovery.damage !== undefined) {
      const { segment, position, why } = recovery.damage;
      return { ...common, offline: `its log is damaged: ${segment} at byte ${position}: ${why}`, doubt: 'damaged' };
    }
    // Without the file nobody knows how the records were written.
    const unsure = file?.flush !== 'commit' || lastRun.journalDamaged;
    // An empty log as well: all that it had may be what was not synced.
    const unsynced = !lastRun.cleanShutdown && unsure;
    // Not before the doubt is registered: it would be forgotten if this start ended before that.
    if (file !== undefined && file.flush !== settings.flush && !unsynced) {
      writePartitionFile(home.disk, directory, { ...file, flush: settings.flush });
    }
    return { ...common, offline: undefined, doubt: unsynced ? 'unsynced' : undefined };
  } catch (error) {
    // Without room or descriptors nothing is known of the log: the start has to be tried again.
    if (!isOfOnePartition(error) || (error instanceof DiskError && passesByItself(error))) throw error;
    return {
      topic: file?.topic ?? folder,
      settings: topicSettings(file?.configs ?? {}, home.defaultFlush),
      log: undefined,
      report: undefined,
      offline: `its log cannot be opened: ${error.message}`,
      doubt: 'damaged',
      heals: error instanceof DiskError,
      described: true,
    };
  }
}

/**
 * Makes the folder and the empty log of a partition that is new here; the caller makes the folder's name durable, for
 * many at once. A fault of the disk leaves it offline.
 *
 * @param said - up to where the checkpoint or the journal may speak of an earlier log in that folder, which is gone; 0: not at all
 */
export function openNew(
  folder: string,
  home: LogHome,
  topic: { readonly name: string; readonly configs: Readonly<Record<string, string>> },
  said: Offset,
): OpenedPartition {
  const directory = directoryOf(folder);
  const settings = topicSettings(topic.configs, home.defaultFlush);
  try {
    home.disk.makeDirectory(directory);
    // Left by a try that came no further, perhaps.
    home.disk.removeFile(`${directory}/${PARTITION_FILE}`);
    const file = { topic: topic.name, configs: topic.configs, flush: settings.flush };
    writeNewPartitionFile(home.disk, directory, file);
    if (said > 0) writeTruncationMark(home.disk, directory, { durable: offset(0), until: said });
    const { log, recovery } = openLog(directory, settings, home, {
      checkpoint: offset(0),
      journalEnd: undefined,
      cleanShutdown: false,
      lastFlush: settings.flush,
    });
    const sound = { offline: undefined, doubt: undefined, heals: true, described: true };
    return { topic: topic.name, settings, log, report: recovery, ...sound };
  } catch (error) {
    if (!isOfOnePartition(error)) throw error;
    const offline = `its folder cannot be made: ${error.message}`;
    const failed = { log: undefined, report: undefined, offline, doubt: undefined, heals: true, described: true };
    return { topic: topic.name, settings, ...failed };
  }
}

function openLog(
  directory: string,
  settings: TopicSettings,
  home: LogHome,
  last: {
    readonly checkpoint: Offset;
    readonly journalEnd: Offset | undefined;
    readonly cleanShutdown: boolean;
    readonly lastFlush: FlushPolicy;
  },
): ReturnType<typeof Log.open> {
  const config = { flush: settings.flush, segmentBytes: settings.segmentBytes };
  const { disk, clock, cache, files, journal } = home;
  return Log.open({ disk, clock, cache, files, journal, directory, config, ...last });
}

/** A fault of the disk, or a broken invariant, concerns this partition; any other error the whole start. */
function isOfOnePartition(error: unknown): error is Error {
  return error instanceof DiskError || error instanceof InvariantViolation;
}
