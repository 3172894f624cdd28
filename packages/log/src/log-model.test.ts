import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leaderEpoch, offset, type Offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { takeCleanMarker, writeCleanMarker } from './clean-marker.ts';
import { Log } from './log.ts';
import type { LogConfig } from './log-config.ts';
import type { TimestampedOffset } from './log-read.ts';
import { TailCache } from './tail-cache.ts';
import { makeBatch, ManualClock } from './test-kit.ts';

const DIRECTORY = 'partitions/p';
const SMALL: Omit<LogConfig, 'flush'> = {
  segmentBytes: 2_000,
  groupBytesMax: 600,
  flushIntervalBytes: 1_300,
  indexIntervalBytes: 150,
};

interface ModelBatch {
  readonly base: number;
  readonly end: number;
  readonly bytes: Buffer;
}

/** What a log ought to hold. */
interface Model {
  batches: ModelBatch[];
  /** No crash may take what lies below. */
  mustKeep: number;
  /** All that the log has said counts. */
  counted: number;
}

/** What happened over all runs, so that a generator that no longer reaches something is noticed. */
const seen = { torn: 0, kept: 0, rolls: 0, cleanStarts: 0, faults: 0, epochs: 0, coldReads: 0, cutByFailedSync: 0 };

/** A log on a simulated disk with its broker's checkpoint and clean marker. */
class Machine {
  readonly disk: SimulatedDisk;
  readonly #flush: LogConfig['flush'];
  readonly #cacheBytes: number;
  clock = new ManualClock();
  log!: Log;
  fault: string | undefined;

  constructor(seed: number, flush: LogConfig['flush'], cacheBytes: number) {
    this.disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 64 });
    this.disk.makeDirectory('partitions');
    this.disk.syncDirectory('');
    this.#flush = flush;
    this.#cacheBytes = cacheBytes;
  }

  get commits(): boolean {
    return this.#flush === 'commit';
  }

  start(model: Model): void {
    const checkpoint = readCheckpoint(this.disk, '');
    const cleanShutdown = takeCleanMarker(this.disk, '') !== undefined;
    this.clock = new ManualClock();
    this.fault = undefined;
    const { log, recovery } = Log.open({
      disk: this.disk,
      clock: this.clock,
      directory: DIRECTORY,
      config: { ...SMALL, flush: this.#flush },
      checkpoint: checkpoint.offsets.get('p') ?? offset(0),
      cleanShutdown,
      cache: new TailCache(this.#cacheBytes),
    });
    assert.equal(checkpoint.damaged, false);
    assert.equal(recovery.damage, undefined);
    if (cleanShutdown) seen.cleanStarts += 1;
    if (recovery.tornBytesCut > 0) seen.torn += 1;
    if (recovery.keptAside !== undefined) seen.kept += 1;
    this.log = log;
    log.onAdvance = (end) => {
      assert.ok(end > model.counted);
      model.counted = end;
    };
    log.onFault = (_, what) => {
      this.fault = what;
      seen.faults += 1;
    };
    // Nothing durable was lost, nothing was invented.
    assert.ok(log.endOffset >= model.mustKeep);
    assert.ok(log.endOffset <= (model.batches.at(-1)?.end ?? 0));
    model.batches = model.batches.filter(({ end }) => end <= log.endOffset);
    assert.equal(log.endOffset, model.batches.at(-1)?.end ?? 0);
    assert.equal(log.durableEnd, log.endOffset);
    assert.equal(log.checkpointable(), log.endOffset);
    assert.equal(log.pendingBytes, 0);
    model.counted = log.endOffset;
    model.mustKeep = log.endOffset;
    this.checkContents(model, offset(0), 1_000_000);
    log.beginEpoch(leaderEpoch(log.latestEpoch + 1));
  }

  /** What a crash must not take, as of now. */
  settleModel(model: Model): void {
    model.mustKeep = this.commits ? model.counted : this.log.checkpointable();
    assert.equal(this.log.durableEnd, model.counted);
    assert.equal(this.log.endOffset, model.batches.at(-1)?.end ?? 0);
    assert.ok(this.log.checkpointable() <= this.log.endOffset);
    seen.rolls += this.log.segmentCount > 1 ? 1 : 0;
  }

  /** Ends the process when the disk failed, as a broker would. */
  afterFault(model: Model): void {
    if (this.fault === undefined) return;
    if (this.fault === 'sync') seen.cutByFailedSync += 1;
    if (this.commits) {
      model.mustKeep = model.counted;
      this.disk.kill();
    } else {
      // What counted may be in memory alone and marked as written: with flush=interval that is the bargain.
      model.mustKeep = Math.min(model.mustKeep, model.counted);
      this.disk.crash();
    }
    this.start(model);
  }

  /** Reads from an offset to the counted end, and compares with the model. */
  checkContents(model: Model, from: Offset, maxBytes: number): void {
    const upTo = this.log.durableEnd;
    const found: Buffer[] = [];
    let next = from;
    for (let reads = 0; next < upTo; reads++) {
      assert.ok(reads < 10_000);
      const read = this.log.read(next, maxBytes, upTo);
      if (read.kind === 'batches') {
        found.push(...read.buffers);
        next = read.nextOffset;
        continue;
      }
      if (read.kind !== 'cold') throw new Error(`${read.kind} at ${next} below ${upTo}`);
      seen.coldReads += 1;
      let done = false;
      this.log.readCold(read.plan, (error, buffers, nextOffset) => {
        assert.equal(error, undefined);
        assert.ok(nextOffset > next);
        found.push(...buffers);
        next = nextOffset;
        done = true;
      });
      while (this.disk.pendingReads > 0) this.disk.completeReads(1);
      assert.equal(done, true);
    }
    const expected = model.batches.filter(({ base, end }) => end > from && base < upTo).map(({ bytes }) => bytes);
    assert.equal(Buffer.concat(found).equals(Buffer.concat(expected)), true);
  }
}

interface Step extends fc.Command<Model, Machine> {}

function command(name: string, run: (model: Model, machine: Machine) => void): Step {
  return {
    check: () => true,
    run(model, machine) {
      run(model, machine);
      machine.afterFault(model);
      machine.settleModel(model);
    },
    toString: () => name,
  };
}

function append(timestamps: readonly number[], valueBytes: number, fill: number): Step {
  return command(`append(${timestamps.join()}; ${valueBytes})`, (model, machine) => {
    const batch = makeBatch(timestamps, { valueBytes, fill });
    const base = machine.log.append(batch);
    assert.equal(base, model.batches.at(-1)?.end ?? 0);
    model.batches.push({ base, end: base + timestamps.length, bytes: Buffer.from(batch) });
  });
}

const flush = command('flush', (_, { log }) => log.flush());
const completeSync = command('complete a sync', (_, { disk }) => disk.completeSyncs(1));
const failSync = command('fail a sync', (_, { disk, log }) => {
  if (disk.pendingSyncs === 0) return;
  disk.failNextSync();
  disk.completeSyncs(1);
  assert.equal(log.appendable, false);
});
const failAppend = (keptBytes: number): Step =>
  command(`fail an append after ${keptBytes} bytes`, (_, { disk, log }) => {
    disk.failNextAppend('ENOSPC', keptBytes);
    log.flush();
    disk.clearFaults();
  });
const advance = (ms: number): Step => command(`${ms} ms pass`, (_, { clock }) => clock.advance(ms));
const beginEpoch = command('begin an epoch', (_, { log }) => {
  seen.epochs += 1;
  log.beginEpoch(leaderEpoch(log.latestEpoch + 1));
  assert.ok(log.checkpointable() <= log.endOffset);
});
const checkpoint = command('write the checkpoint', (_, { disk, log }) =>
  writeCheckpoint(disk, '', new Map([['p', log.checkpointable()]])),
);
const crash = command('power cut', (model, machine) => {
  machine.disk.crash();
  machine.start(model);
});
const kill = command('kill -9', (model, machine) => {
  // What was written and did not count may be there or not; what counted is there.
  model.mustKeep = Math.max(model.mustKeep, model.counted);
  machine.disk.kill();
  machine.start(model);
});
const restart = (powerCut: boolean): Step =>
  command(`stop and start${powerCut ? ' with a power cut between' : ''}`, (model, machine) => {
    machine.log.close(true);
    assert.ok(model.counted >= model.mustKeep);
    writeCheckpoint(machine.disk, '', new Map([['p', machine.log.checkpointable()]]));
    writeCleanMarker(machine.disk, '', 7);
    model.mustKeep = machine.log.checkpointable();
    if (powerCut) machine.disk.crash();
    else machine.disk.kill();
    machine.start(model);
  });
const read = (place: number, maxBytes: number): Step =>
  command(`read at ${place} up to ${maxBytes} bytes`, (model, machine) => {
    const from = offset(Math.floor(place * machine.log.durableEnd));
    machine.checkContents(model, from, maxBytes);
    assert.equal(machine.log.read(offset(machine.log.endOffset + 1), 100, machine.log.durableEnd).kind, 'outOfRange');
    assert.equal(machine.log.read(machine.log.durableEnd, 100, machine.log.durableEnd).kind, 'atEnd');
  });
const find = (timestampMs: number): Step =>
  command(`find ${timestampMs}`, (model, machine) => {
    const upTo = machine.log.durableEnd;
    let found: TimestampedOffset | undefined;
    let done = false;
    machine.log.offsetForTimestamp(timestampMs, upTo, (error, result) => {
      assert.equal(error, undefined);
      found = result;
      done = true;
    });
    while (machine.disk.pendingReads > 0) machine.disk.completeReads(1);
    assert.equal(done, true);
    let expected: TimestampedOffset | undefined;
    readRecords(Buffer.concat(model.batches.map(({ bytes }) => bytes)), (record) => {
      if (record.offset < upTo && record.timestampMs >= timestampMs) expected ??= record;
      return expected === undefined;
    });
    assert.deepEqual(found, expected && { offset: expected.offset, timestampMs: expected.timestampMs });
  });

const timestamps = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 4 });
const appends = fc.tuple(timestamps, fc.integer({ min: 0, max: 100 }), fc.nat(255)).map(([t, n, f]) => append(t, n, f));
const steps: fc.Arbitrary<Step>[] = [
  appends,
  appends,
  appends,
  fc.constant(flush),
  fc.constant(flush),
  fc.constant(completeSync),
  fc.constant(completeSync),
  fc.constantFrom(100, 1_000).map(advance),
  fc.constant(beginEpoch),
  fc.constant(checkpoint),
  fc.constant(crash),
  fc.constant(kill),
  fc.boolean().map(restart),
  fc.constant(failSync),
  fc.integer({ min: 0, max: 400 }).map(failAppend),
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(1, 200, 5_000)).map(([p, n]) => read(p, n)),
  fc.integer({ min: 0, max: 1_001 }).map(find),
];

test.each(['commit', 'interval'] as const)(
  'with flush=%s a log keeps what is durable and invents nothing, whatever fails and crashes',
  (flushMode) => {
    fc.assert(
      fc.property(
        fc.commands(steps, { maxCommands: 120, size: 'max' }),
        fc.nat(),
        fc.constantFrom(1, 30_000, 1_000_000),
        (commands, seed, cacheBytes) => {
          fc.modelRun(() => {
            const model: Model = { batches: [], mustKeep: 0, counted: 0 };
            const real = new Machine(seed, flushMode, cacheBytes);
            real.start(model);
            return { model, real };
          }, commands);
        },
      ),
      { numRuns: Number(process.env['LOG_MODEL_RUNS'] ?? 300) },
    );
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0);
  },
  60_000,
);
