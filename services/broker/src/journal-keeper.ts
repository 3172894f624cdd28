import { DiskError } from '@weir/base/disk.ts';
import type { Disk } from '@weir/base/disk.ts';
import { JOURNAL_FILE_BYTES, JOURNAL_FILE_BYTES_MIN, JOURNAL_FILE_DISK_SHARE } from '@weir/base/limits.ts';
import type { Journal } from '@weir/log/journal/journal.ts';
import { replayJournal } from '@weir/log/journal/replay-journal.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { LastStop } from './data-directory.ts';
import type { BrokerMetrics } from './metrics.ts';
import type { LastRun } from './partition/open-log.ts';

/** What looking after the journal needs. */
export interface JournalKeeperParts {
  readonly journal: Journal;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly metrics: BrokerMetrics;
  /** A sync of it failed: the process must end. */
  readonly syncFailed: (error: DiskError) => void;
}

/** Begins, replays and ends the broker's journal with the process. */
export class JournalKeeper {
  readonly #parts: JournalKeeperParts;

  constructor(parts: JournalKeeperParts) {
    this.#parts = parts;
  }

  /** Puts what only the journal has into the logs' files. */
  replay({ checkpoint, highWatermarks, cleanShutdown }: LastStop): LastRun {
    const { disk, logger, metrics } = this.#parts;
    const expected = !cleanShutdown && checkpoint.size > 0;
    const { ends, damage, groups, restored, refused } = replayJournal(disk, { expected });
    if (groups > 0) logger.info({ groups, restored }, `the journal gave back ${restored} of its ${groups} groups`);
    if (damage !== undefined) {
      logger.error(`the journal is damaged: ${damage}. Replicas may lack records that were acknowledged`);
    }
    metrics.replayed(restored, damage !== undefined);
    return {
      checkpoint,
      highWatermarks,
      cleanShutdown,
      journalEnds: ends,
      journalDamaged: damage !== undefined,
      journalRefused: refused,
    };
  }

  /**
   * What the last journal held is durable in the logs' own files by now, and what it proves of logs that could not be
   * opened is put into the checkpoint: then a new one takes its place. Else it stays, and logs sync for themselves.
   *
   * @param refused - logs whose files did not take what the journal has of them
   * @param totalBytes - of the disk
   * @param writeCheckpoint - false: the disk refused
   */
  begin(refused: readonly string[], totalBytes: number, writeCheckpoint: () => boolean): void {
    const { journal, logger, metrics, syncFailed } = this.#parts;
    journal.onBroken = (error) => {
      if (error.duringSync) return syncFailed(error);
      logger.error({ err: error }, `the journal cannot be used any more, logs sync for themselves: ${error.message}`);
    };
    journal.onRound = (durationMs, groups) => {
      metrics.syncSeconds.observe(durationMs / 1_000);
      metrics.journalGroups.observe(groups);
    };
    if (refused.length > 0) {
      logger.error({ refused }, 'the journal stays as it is: it alone has records of logs that could not be written');
      return;
    }
    if (!writeCheckpoint()) return;
    const share = Math.floor(totalBytes * JOURNAL_FILE_DISK_SHARE);
    try {
      journal.begin(Math.min(Math.max(share, JOURNAL_FILE_BYTES_MIN), JOURNAL_FILE_BYTES));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      journal.onBroken(error);
    }
  }

  /** @param isSettled - all that it has is durable in the logs' own files */
  close(isSettled: boolean): void {
    try {
      this.#parts.journal.close(isSettled);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // The next start replays it, which changes nothing.
      this.#parts.logger.warn({ err: error }, `the journal could not be removed: ${error.message}`);
    }
  }
}
