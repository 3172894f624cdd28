import { AssertionError, strict as assert } from 'node:assert';
import { DiskError } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom, type Random } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import type { PowerCut } from '@weir/base/power-cut.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { takeCleanMarker, writeCleanMarker } from './clean-marker.ts';
import { Journal } from './journal/journal.ts';
import { replayJournal } from './journal/replay-journal.ts';
import { Log } from './log.ts';
import type { LogConfig } from './log-config.ts';
import { ModelReplica } from './log-model-replica.ts';
import type { LogFault } from './log-writer-parts.ts';
import { OpenFiles } from './open-files.ts';
import { testCache, TurnClock } from './test-kit.ts';

const ROOT = '';
const SMALL: Omit<LogConfig, 'flush'> = {
  segmentBytes: 2_000,
  groupBytesMax: 600,
  flushIntervalBytes: 1_300,
  indexIntervalBytes: 150,
};

/** What the model test varies from history to history. */
export interface ModelSetting {
  readonly seed: number;
  /** A log for each. */
  readonly flushes: readonly LogConfig['flush'][];
  readonly cacheBytes: number;
  readonly openFilesMax: number;
  readonly journalFileBytes: number;
  /** The last log follows the first. */
  readonly follows?: boolean;
}

/** What happened over all histories, so that a generator that no longer reaches something is noticed. */
export type Seen = Record<string, number>;

/**
 * For the model test: a broker's logs, their journal, the checkpoint and the clean marker over one simulated disk. A
 * start opens what is on the disk, as a broker does, and compares it with what ought to be there.
 */
export class ModelWorld {
  readonly disk: SimulatedDisk;
  readonly replicas: readonly ModelReplica[];
  readonly #setting: ModelSetting;
  readonly #random: Random;
  readonly #seen: Seen;
  readonly #cache: ReturnType<typeof testCache>;
  clock = new TurnClock();
  #journal!: Journal;
  /** What ends this run; a failed sync above all. */
  #fault: LogFault | undefined;
  /** A sync failed: what the process still reads may not be what the disk has. */
  #syncFailed = false;
  /** Bytes have rotted: what is read may be bad, as long as it is seen to be. */
  rotten = false;
  /** Damage was reported after that: nothing is left to be compared. */
  over = false;

  constructor(setting: ModelSetting, seen: Seen) {
    this.#setting = setting;
    this.#seen = seen;
    this.#random = seededRandom(setting.seed + 1);
    this.disk = new SimulatedDisk(seededRandom(setting.seed), { blockBytes: 64 });
    this.#cache = testCache(setting.cacheBytes);
    const replicas: ModelReplica[] = [];
    for (const [i, flush] of setting.flushes.entries()) {
      const leader = setting.follows === true && i === setting.flushes.length - 1 ? replicas[0] : undefined;
      replicas.push(new ModelReplica(`p${i}`, { flush, leader }, this, this.#cache));
    }
    this.replicas = replicas;
    this.start();
  }

  /** Something was reached. */
  saw(what: string, times = 1): void {
    this.#seen[what] = (this.#seen[what] ?? 0) + times;
  }

  /** Chance that belongs to the history. */
  chance(): number {
    return this.#random.unit();
  }

  /**
   * Starts on what is on the disk. For each of `cuts` the power goes after so many mutations of the start; when the start
   * is over before that, in what comes after it.
   */
  start(cuts: readonly number[] = []): void {
    for (const cut of cuts) {
      this.disk.crashAfter(cut);
      if (this.#tryStart()) return;
    }
    assert.ok(this.#tryStart(), 'a start ends when the power lasts');
  }

  /** Does a step, through to what follows from faults and power cuts in it. */
  step(name: string, act: () => void): void {
    if (this.over) return;
    try {
      act();
      this.clock.endTurns();
      this.disk.clearFaults();
    } catch (error) {
      this.#noteCut(this.#cutBehind(error), name);
      this.end();
      this.start();
      return;
    }
    if (this.over) return;
    if (this.#fault === undefined) this.#check();
    else this.#afterFault();
  }

  /** The process ends without a stop, by a power cut or alone; then all that was written is there. */
  end(how: 'power cut' | 'kill' | 'either' = 'either'): void {
    this.#settleReplicas();
    // After a failed sync a process that only starts over may read what is not on the disk.
    const powerCut = this.#syncFailed || how === 'power cut' || (how === 'either' && this.#random.unit() < 0.7);
    this.#end(powerCut);
  }

  /** Stops in order, as a broker does; it may have given up waiting for syncs that are under way. */
  stop(waits: boolean): void {
    if (waits) this.settle();
    let inOrder = !this.#syncFailed;
    for (const { log } of this.replicas) if (!this.tryWrite(() => log.close(true))) inOrder = false;
    if (!this.tryWrite(() => this.#journal.close(inOrder))) inOrder = false;
    if (this.writeCheckpoint() && inOrder) this.tryWrite(() => writeCleanMarker(this.disk, ROOT, 7));
  }

  /** Completes all that is under way, and what comes of it. */
  settle(): void {
    while (this.disk.pendingSyncs + this.disk.pendingReads > 0) {
      this.disk.settle();
      this.clock.endTurns();
    }
  }

  /** The disk has room for so many further bytes. */
  fill(bytes: number): void {
    const { freeBytes, totalBytes } = this.disk.space();
    this.disk.capacityBytes = totalBytes - freeBytes + bytes;
    this.saw('full disks');
  }

  /** The sync that was started first fails. */
  failSync(): void {
    if (this.disk.pendingSyncs === 0) return;
    this.#syncFailed = true;
    this.disk.failNextSync();
    this.disk.completeSyncs(1);
    assert.equal(this.#fault, 'sync', 'a failed sync is told');
  }

  /** False when the disk is full. */
  writeCheckpoint(): boolean {
    const ends = new Map(this.replicas.map(({ name, log }) => [name, log.checkpointable()]));
    const written = this.tryWrite(() => writeCheckpoint(this.disk, ROOT, ends));
    for (const replica of written ? this.replicas : []) {
      const end = ends.get(replica.name)!;
      if (end > replica.doubtUntil) replica.checkpointed = end;
    }
    return written;
  }

  beginEpoch(replica: ModelReplica): void {
    if (replica.leader !== undefined) return;
    const epoch = leaderEpoch(replica.epochTried + 1);
    if (this.tryWrite(() => replica.beginEpoch(epoch))) this.saw('epochs');
  }

  /** Tells whether the disk took it. Whoever asked for it could try again; a fault ends the run. */
  tryWrite(act: () => boolean | void): boolean {
    try {
      return act() !== false;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return false;
    }
  }

  /** Lets bytes rot whose loss a start or a read can tell from a write that was cut short. */
  rot(replica: ModelReplica, { file, from, bytes }: { file: number; from: number; bytes: number }): void {
    if (this.rotten) return;
    const { disk } = this;
    const names = disk.list(replica.directory)!.filter((name) => !/\.(new|torn)$/.test(name));
    const paths = [...names.map((name) => `${replica.directory}/${name}`), 'checkpoint'];
    const path = paths[Math.floor(file * (paths.length - 0.001))]!;
    const size = path.endsWith('.log') ? this.#provenBytes(replica, path) : (disk.readFile(path)?.length ?? 0);
    if (size === 0) return;
    const at = Math.floor(from * (size - 1));
    if (bytes === 0) disk.flipBit(path, at, Math.floor(this.chance() * 8));
    else disk.rot(path, at, Math.min(at + bytes, size));
    this.rotten = true;
    this.saw(path.endsWith('.log') ? 'rotten bytes' : path.endsWith('index') ? 'rotten indexes' : 'rotten small files');
  }

  /** How far a segment was durable for all to see: all of it once it is sealed, else up to the checkpoint or the epoch. */
  #provenBytes({ batches, directory, checkpointed, epochStart }: ModelReplica, path: string): number {
    const bases = this.disk
      .list(directory)!
      .filter((name) => name.endsWith('.log'))
      .map(baseOf);
    const base = baseOf(path.slice(directory.length + 1));
    const proven = Math.max(checkpointed, epochStart, ...bases);
    let size = 0;
    for (const batch of batches) if (batch.base >= base && batch.end <= proven) size += batch.bytes.length;
    return Math.min(size, this.disk.readFile(path)!.length);
  }

  #tryStart(): boolean {
    try {
      this.#open();
      return true;
    } catch (error) {
      this.#noteCut(this.#cutBehind(error), 'start');
      this.#end(this.#random.unit() < 0.7);
      return false;
    }
  }

  #open(): void {
    const { disk } = this;
    const { flushes, openFilesMax, journalFileBytes } = this.#setting;
    // Somebody has made room.
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    this.clock = new TurnClock();
    this.#fault = undefined;
    this.#syncFailed = false;
    const cleanShutdown = takeCleanMarker(disk, ROOT) !== undefined;
    const checkpoint = readCheckpoint(disk, ROOT);
    assert.ok(this.rotten || !checkpoint.damaged, 'the checkpoint is damaged');
    const replay = replayJournal(disk, { expected: !cleanShutdown && checkpoint.offsets.size > 0 });
    if (this.#isOver(replay.damage)) return;
    this.saw('groups restored', replay.restored);
    if (cleanShutdown) this.saw('clean starts');
    this.#journal = new Journal({ disk, clock: this.clock, random: this.#random });
    const files = new OpenFiles(disk, openFilesMax);
    files.onPressure = () => this.#journal.relieve();
    disk.makeDirectory('partitions');
    for (const [i, replica] of this.replicas.entries()) {
      const { log, recovery } = Log.open({
        disk,
        clock: this.clock,
        directory: replica.directory,
        config: { ...SMALL, flush: flushes[i]! },
        checkpoint: checkpoint.offsets.get(replica.name) ?? offset(0),
        journalEnd: replay.ends.get(replica.directory),
        cleanShutdown,
        cache: this.#cache,
        files,
        journal: this.#journal,
      });
      if (this.#isOver(recovery.damage?.why)) return;
      if (recovery.tornBytesCut > 0) this.saw('torn tails');
      if (recovery.keptAside !== undefined) this.saw('torn tails kept aside');
      if (recovery.rebuiltFiles > 0) this.saw('files rebuilt');
      if (log.endOffset === 0) this.saw('empty logs');
      log.onFault = (_, what) => {
        this.saw(`${what} faults`);
        if (this.#fault !== 'sync') this.#fault = what;
      };
      replica.opened(log);
    }
    disk.syncDirectory('partitions');
    disk.syncDirectory(ROOT);
    this.#journal.begin(journalFileBytes);
    // One that found rot as its contents were compared is offline.
    for (const replica of this.replicas) if (replica.log.appendable) this.beginEpoch(replica);
    if (checkpoint.offsets.size === 0) this.writeCheckpoint();
  }

  /** Damage is reported only where bytes have rotted, and then the history ends. */
  #isOver(damage: string | undefined): boolean {
    assert.ok(damage === undefined || this.rotten, `damage: ${damage}`);
    this.over = damage !== undefined;
    if (this.over) this.saw('damage');
    return this.over;
  }

  #check(): void {
    for (const replica of this.replicas) {
      replica.check();
      if (replica.log.segmentCount > 1) this.saw('rolls');
    }
  }

  /** The broker ends when a sync has failed; after other faults a replica is offline until then. */
  #afterFault(): void {
    if (this.#syncFailed && this.replicas.every(({ flush }) => flush === 'commit') && this.#random.unit() < 0.5) {
      // What the sync did not cover was cut off, so that a process alone may start over.
      this.#settleReplicas();
      for (const replica of this.replicas) replica.inMemory = 0;
      this.disk.kill();
      this.saw('starts after a failed sync without a power cut');
    } else {
      this.end();
    }
    this.start();
  }

  #end(powerCut: boolean): void {
    if (powerCut) this.disk.crash();
    else this.disk.kill();
    if (powerCut) for (const replica of this.replicas) replica.inMemory = 0;
  }

  #settleReplicas(): void {
    for (const replica of this.replicas) {
      replica.settle();
      // One that began while the sync was under way goes with what that was to cover.
      if (this.#syncFailed) replica.forgetEpoch();
    }
  }

  /** Once the power is gone nothing of the process counts: what it throws on its way out may be another error. */
  #cutBehind(error: unknown): PowerCut {
    const { powerCut } = this.disk;
    if (powerCut === undefined || error instanceof AssertionError) throw error;
    return powerCut;
  }

  #noteCut({ mutation, path }: PowerCut, step: string): void {
    this.saw('power cuts');
    if (step === 'start') this.saw('power cuts in a start');
    else if (mutation === 'create' && path.endsWith('.log')) this.saw('power cuts in a roll');
    else if (/\.(cleaned|swap)$/.test(path) && mutation === 'rename') this.saw('power cuts in a swap');
    else if (path.endsWith('leader-epochs.new')) this.saw('power cuts as an epoch began');
    if (step === 'stop') this.saw('power cuts in a stop');
    if (path.startsWith('journal')) this.saw('power cuts in the journal');
  }
}

function baseOf(segmentFile: string): number {
  return Number(segmentFile.slice(0, 20));
}
