import { expect } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { Log } from '../log.ts';
import { OpenFiles } from '../open-files.ts';
import { makeBatch, testCache, TurnClock } from '../test-kit.ts';
import { Journal } from './journal.ts';
import { replayJournal, type JournalReplay } from './replay-journal.ts';

/** For tests: a broker's logs over one disk, as a start finds and opens them. */
export class Logs {
  readonly disk: SimulatedDisk;
  readonly logs: Log[] = [];
  readonly replay: JournalReplay;
  readonly journal: Journal;
  readonly faults: string[] = [];
  readonly clock = new TurnClock();

  constructor(
    disk: SimulatedDisk,
    count: number,
    { fileBytes = 1_000_000, maxOpen = 100, segmentBytes = 100_000 } = {},
  ) {
    this.disk = disk;
    this.replay = replayJournal(disk, { expected: false });
    const files = new OpenFiles(disk, maxOpen);
    const cache = testCache(1_000);
    this.journal = new Journal({ disk, clock: this.clock, random: seededRandom(7) });
    files.onPressure = () => this.journal.relieve();
    const open = (i: number): Log => {
      disk.makeDirectory(`logs/${i}`);
      disk.syncDirectory('');
      disk.syncDirectory('logs');
      const journalEnd = this.replay.ends.get(`logs/${i}`);
      const { log, recovery } = Log.open({
        disk,
        clock: this.clock,
        directory: `logs/${i}`,
        config: { flush: 'commit', segmentBytes },
        checkpoint: offset(0),
        ...(journalEnd === undefined ? {} : { journalEnd }),
        cleanShutdown: false,
        cache,
        files,
        journal: this.journal,
      });
      expect(recovery.damage).toBeUndefined();
      log.onFault = (error, what) => this.faults.push(`${what} ${error.code}`);
      return log;
    };
    for (let i = 0; i < count; i++) this.logs.push(open(i));
    // All logs have their records durably in their own files.
    this.journal.begin(fileBytes);
    for (const log of this.logs) log.beginEpoch(leaderEpoch(log.latestEpoch + 1));
  }

  /** One turn: a batch for each log, then all of them flush. */
  append(value: number, logs = this.logs): void {
    for (const log of logs) log.append(makeBatch([value], { fill: value }));
    this.flush(logs);
  }

  flush(logs = this.logs): void {
    for (const log of logs) log.flush();
    this.clock.endTurn();
  }

  /** Completes all that is under way, and what comes of it. */
  settle(): void {
    for (let i = 0; i < 10; i++) {
      this.disk.settle();
      this.clock.endTurn();
    }
  }
}

/** For tests: a disk whose syncs and reads complete when the test says so. */
export function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk(seededRandom(seed));
}
