import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import { COMPACTED_STEPS, ROT, STEPS } from './log-model-steps.ts';
import { ModelWorld, type ModelSetting, type Seen } from './log-model-world.ts';
import { makeBatch } from './test-kit.ts';

const RUNS = Number(process.env['LOG_MODEL_RUNS'] ?? 1_200);

const setting = fc.record({
  seed: fc.nat(),
  flushes: fc.constantFrom(
    ['commit'] as const,
    ['interval'] as const,
    ['commit', 'commit'] as const,
    ['commit', 'interval', 'commit'] as const,
  ),
  cacheBytes: fc.constantFrom(1, 30_000, 1_000_000),
  openFilesMax: fc.constantFrom(1, 4, 100),
  journalFileBytes: fc.constantFrom(1, 700, 100_000),
  follows: fc.boolean(),
});

const COMMITS: ModelSetting = {
  seed: 0,
  flushes: ['commit', 'commit'],
  cacheBytes: 1,
  openFilesMax: 4,
  journalFileBytes: 100_000,
};

/** Histories of a world; what they reached. */
function run(steps: typeof STEPS): Seen {
  const seen: Seen = {};
  fc.assert(
    fc.property(fc.commands([...steps], { maxCommands: 150, size: 'max' }), setting, (commands, chosen) => {
      fc.modelRun(() => ({ model: {}, real: new ModelWorld(chosen, seen) }), commands);
    }),
    { numRuns: RUNS },
  );
  return seen;
}

test(
  'logs keep what is durable, invent nothing and report no damage, whatever fails and wherever the power goes',
  () => {
    const seen = run(STEPS);
    for (const what of [
      'append faults',
      'append of a producer',
      'batches lost',
      'batches replicated',
      'clean starts',
      'cold reads',
      'cuts',
      'duplicate of a producer',
      'empty logs',
      'epochs',
      'full disks',
      'groups restored',
      'logs made anew',
      'out of order of a producer',
      'power cuts as an epoch began',
      'power cuts in a roll',
      'power cuts in a start',
      'power cuts in a stop',
      'power cuts in the journal',
      'producers kept over a start',
      'rolls',
      'segments expired',
      'starts after a failed sync without a power cut',
      'starts moved',
      'sync faults',
      'torn tails',
      'torn tails kept aside',
    ]) {
      expect(seen[what], what).toBeGreaterThan(0);
    }
  },
  60_000 + 100 * RUNS,
);

test(
  'logs that are compacted keep the last record of each key, whatever fails and wherever the power goes',
  () => {
    const seen = run(COMPACTED_STEPS);
    for (const what of [
      'batches lost',
      'compacted batches replicated',
      'groups restored',
      'passes abandoned',
      'passes cleaned',
      'passes failed',
      'power cuts in a swap',
      'records superseded',
      'tombstones gone',
    ]) {
      expect(seen[what], what).toBeGreaterThan(0);
    }
  },
  60_000 + 100 * RUNS,
);

test(
  'where bytes rot that were durable, what is read is right or seen to be bad, and no log is shorter in silence',
  () => {
    const seen = run([...STEPS, ROT]);
    for (const what of [
      'rotten bytes',
      'rotten indexes',
      'rotten small files',
      'damage',
      'rot read',
      'files rebuilt',
    ]) {
      expect(seen[what], what).toBeGreaterThan(0);
    }
  },
  60_000 + 100 * RUNS,
);

/** Steps of histories that once went wrong, for many seeds. */
function replay(act: (world: ModelWorld, seed: number) => void): void {
  for (let seed = 0; seed < 60; seed++) act(new ModelWorld({ ...COMMITS, seed }, {}), seed);
}

function append(world: ModelWorld, replica: number, valueBytes = 10): void {
  world.step('append', () => world.replicas[replica]!.append(makeBatch([1], { valueBytes }), 1));
}

function flush(world: ModelWorld): void {
  world.step('flush', () => {
    for (const { log } of world.replicas) log.flush();
  });
}

function powerCut(world: ModelWorld): void {
  world.step('end', () => {
    world.end('power cut');
    world.start();
  });
}

test('what the journal made durable is kept although a later sync of the log itself fails and the process starts over', () => {
  let journaled = 0;
  replay((world) => {
    append(world, 0);
    append(world, 1);
    flush(world);
    append(world, 0);
    world.step('complete a sync', () => world.disk.completeSyncs(1));
    journaled += world.replicas[0]!.counted;
    world.step('fail a sync', () => world.failSync());
    powerCut(world);
    for (const { counted } of world.replicas) expect(counted).toBeGreaterThanOrEqual(1);
  });
  expect(journaled).toBe(60);
});

test('an epoch that began while a sync was under way that fails leaves nothing that looks like damage', () => {
  replay((world) => {
    for (let i = 0; i < 4; i++) append(world, 0, 200);
    flush(world);
    world.step('begin an epoch', () => world.beginEpoch(world.replicas[0]!));
    world.step('fail a sync', () => world.failSync());
    powerCut(world);
    expect(world.over).toBe(false);
  });
});

test('a power cut anywhere in what follows a failed sync leaves nothing that looks like damage', () => {
  replay((world, seed) => {
    append(world, 0);
    flush(world);
    world.step('begin an epoch', () => world.beginEpoch(world.replicas[0]!));
    world.step('cut', () => world.disk.crashAfter(seed % 8));
    world.step('fail a sync', () => world.failSync());
    powerCut(world);
    expect(world.over).toBe(false);
  });
});

test('what was cut back on a full disk, and then out of the log, does not come back with a power cut', () => {
  replay((world) => {
    const [replica] = world.replicas;
    append(world, 0);
    flush(world);
    world.settle();
    world.step('the disk is full behind the batch', () => {
      const batch = makeBatch([1], { valueBytes: 40 });
      replica!.append(batch, 1);
      world.disk.failNextAppend('ENOSPC', batch.length);
      replica!.log.flush();
    });
    world.step('cut', () => replica!.truncateTo(1, (write) => world.tryWrite(write)));
    powerCut(world);
    expect(replica!.log.endOffset).toBe(1);
  });
});

test('what was cut back on a full disk does not come back in a sealed segment', () => {
  replay((world) => {
    append(world, 0, 40);
    world.step('the disk is full', () => world.fill(221));
    append(world, 0, 480);
    world.step('begin an epoch', () => world.beginEpoch(world.replicas[0]!));
    world.step('roll', () => {
      const { log } = world.replicas[0]!;
      world.disk.capacityBytes = Number.POSITIVE_INFINITY;
      log.retain({ nowMs: 10_000, retentionMs: -1, retentionBytes: -1, segmentMs: 0 });
      expect(log.segmentCount).toBe(2);
    });
    powerCut(world);
    expect(world.over).toBe(false);
  });
});

test('a batch whose header says that it ends elsewhere is a failed read, not one without an end', () => {
  const codes = new Set<string | undefined>();
  // The bytes of the last offset delta.
  for (let bit = 0; bit < 32; bit++) {
    const world = new ModelWorld({ ...COMMITS, flushes: ['commit'] }, {});
    const [replica] = world.replicas;
    world.step('append', () => replica!.append(makeBatch([1, 2, 3]), 3));
    flush(world);
    world.settle();
    world.disk.flipBit(`${replica!.directory}/${'0'.repeat(20)}.log`, 23 + (bit >> 3), bit & 7);
    const upTo = replica!.log.durableEnd;
    replica!.log.readCold({ from: offset(2), maxBytes: 1_000, upTo }, (error) => codes.add(error?.code));
    world.disk.settle();
  }
  expect(codes).toEqual(new Set(['EBADMSG']));
});

test('a log that the disk refuses to make anew, where it begins and ends already, knows whose batches it had', () => {
  for (const fails of ['EIO', 'ENOSPC'] as const) {
    const world = new ModelWorld({ ...COMMITS, flushes: ['commit'], openFilesMax: 1, journalFileBytes: 1 }, {});
    const [replica] = world.replicas;
    const send = (back: number): void =>
      world.step('send', () => replica!.produce(replica!.producers[2]!, { back, count: 1 }));
    send(0);
    world.step('begin an epoch', () => world.beginEpoch(replica!));
    send(0);
    world.step('retain', () =>
      replica!.deleteBefore(replica!.end, () => {
        replica!.log.retain({ nowMs: 10_000, retentionMs: -1, retentionBytes: 0, segmentMs: 0 });
      }),
    );
    append(world, 0);
    world.step('begin anew', () => {
      world.disk.failNextAppend(fails, 10);
      replica!.restartAt(1, (write) => world.tryWrite(write));
    });
    expect([replica!.log.startOffset, replica!.log.endOffset]).toEqual([1, 1]);
    send(2);
  }
});
