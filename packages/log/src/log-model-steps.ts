import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { offset } from '@weir/base/ids.ts';
import type { ModelReplica } from './log-model-replica.ts';
import type { ModelWorld } from './log-model-world.ts';
import { makeBatch } from './test-kit.ts';

/** A step of a history. The world holds the model as well. */
export type ModelStep = fc.Command<object, ModelWorld>;

function step(name: string, act: (world: ModelWorld) => void, kind = name): ModelStep {
  return {
    check: () => true,
    run: (_, world) => world.step(kind, () => act(world)),
    toString: () => name,
  };
}

/** A step in one of the logs, told by a number. */
function logStep(name: string, log: number, act: (replica: ModelReplica, world: ModelWorld) => void): ModelStep {
  return step(`p${log}: ${name}`, (world) => act(world.replicas[log % world.replicas.length]!, world), name);
}

const logs = fc.nat(2);
/** From 0 to 1, evenly: `fc.double` is nearly always nearly 0. */
const place = fc.nat(1_000).map((thousandths) => thousandths / 1_000);

const append = fc
  .record({
    log: logs,
    timestamps: fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 4 }),
    valueBytes: fc.integer({ min: -10, max: 100 }),
    fill: fc.nat(255),
    keys: fc.constantFrom([], ['a'], ['b', 'c'], ['d', 'a', 'e']),
  })
  .map(({ log, timestamps, valueBytes, fill, keys }) =>
    logStep(`append [${timestamps.join()}] of ${valueBytes} bytes to keys ${keys.join()}`, log, (replica) => {
      if (replica.leads) replica.append(makeBatch(timestamps, { valueBytes, fill, keys }), timestamps.length);
    }),
  );

const produce = fc
  .record({ log: logs, producer: fc.nat(2), back: fc.nat(7), count: fc.integer({ min: 1, max: 3 }) })
  .map(({ log, producer, back, count }) =>
    logStep(`producer ${producer} sends ${count} records, or what was ${back} before`, log, (replica) => {
      if (replica.leads) replica.produce(replica.producers[producer]!, { back, count });
    }),
  );

const produceNext = fc.record({ log: logs, producer: fc.nat(2) }).map(({ log, producer }) =>
  logStep(`producer ${producer} sends the next`, log, (replica) => {
    if (replica.leads) replica.produce(replica.producers[producer]!, { back: 0, count: 1 });
  }),
);

const bumpEpoch = fc
  .record({ log: logs, producer: fc.nat(2) })
  .map(({ log, producer }) =>
    logStep(`producer ${producer} starts over`, log, (replica) => replica.producers[producer]!.bumpEpoch()),
  );

const forgetProducers = logs.map((log) =>
  logStep('producers are silent for long', log, (replica) => {
    if (replica.leads) replica.forgetProducers();
  }),
);

const flush = fc.constant(
  step('flush', ({ replicas }) => {
    for (const { log } of replicas) log.flush();
  }),
);

const flushOne = logs.map((log) => logStep('flush', log, (replica) => replica.log.flush()));

const completeSyncs = fc
  .integer({ min: 1, max: 3 })
  .map((count) => step(`complete ${count} syncs`, ({ disk }) => disk.completeSyncs(count)));

const settle = fc.constant(step('settle', (world) => world.settle()));

const failSync = fc.constant(step('fail a sync', (world) => world.failSync()));

const failAppend = fc.record({ code: fc.constantFrom('EIO', 'ENOSPC'), kept: fc.nat(400) }).map(({ code, kept }) =>
  step(`fail an append with ${code} after ${kept} bytes`, ({ disk, replicas }) => {
    disk.failNextAppend(code, kept);
    for (const { log } of replicas) log.flush();
  }),
);

const pass = fc
  .constantFrom(100, WRITE_RETRY_MS, 1_000)
  .map((ms) => step(`${ms} ms pass`, ({ clock }) => clock.advance(ms)));

const fill = fc.nat(1_000).map((bytes) => step(`the disk has room for ${bytes} bytes`, (world) => world.fill(bytes)));

const makeRoom = fc.constant(
  step('the disk has room', ({ disk, clock }) => {
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    clock.advance(WRITE_RETRY_MS);
  }),
);

const beginEpoch = logs.map((log) =>
  logStep('begin an epoch', log, (replica, world) => {
    if (replica.log.appendable) world.beginEpoch(replica);
  }),
);

const checkpoint = fc.constant(step('write the checkpoint', (world) => void world.writeCheckpoint()));

const deleteRecords = fc.record({ log: logs, share: place }).map(({ log, share }) =>
  logStep(`delete the records below ${share}`, log, (replica, world) => {
    const before = offset(Math.floor(share * replica.log.durableEnd));
    replica.deleteBefore(before, () => world.tryWrite(() => replica.log.deleteRecords(before)));
    if (replica.start > 0) world.saw('starts moved');
  }),
);

const retain = fc
  .record({ log: logs, retentionBytes: fc.constantFrom(0, 1_500, 4_000), segmentMs: fc.constantFrom(-1, 0) })
  .map(({ log, retentionBytes, segmentMs }) =>
    logStep(`keep ${retentionBytes} bytes, roll after ${segmentMs} ms`, log, (replica, world) => {
      replica.deleteBefore(replica.end, () => {
        const { segments } = replica.log.retain({ nowMs: 10_000, retentionMs: -1, retentionBytes, segmentMs });
        if (segments > 0) world.saw('segments expired');
      });
    }),
  );

/** Behind rot nobody cuts: the start of an epoch that goes is what may have proved that the rot is none that a write left. */
function mayCut(replica: ModelReplica, world: ModelWorld): boolean {
  return replica.log.appendable && !world.rotten;
}

function mayFollow(replica: ModelReplica, world: ModelWorld): boolean {
  return replica.leader?.log.appendable === true && mayCut(replica, world);
}

const mirror = fc.record({ log: logs, count: fc.nat(4) }).map(({ log, count }) =>
  logStep(`take over ${count} batches`, log, (replica, world) => {
    if (mayFollow(replica, world)) replica.mirror(count, (write) => world.tryWrite(write));
  }),
);

const mirrorAll = fc.constant(
  step('take over all batches', (world) => {
    for (const replica of world.replicas) {
      if (mayFollow(replica, world)) replica.mirror(1_000, (write) => world.tryWrite(write));
    }
  }),
);

/** What a disk says to the next write. */
const refusal = fc.constantFrom(undefined, undefined, undefined, 'EIO', 'ENOSPC');

const truncate = fc.record({ log: logs, share: place, fails: refusal }).map(({ log, share, fails }) =>
  logStep(`cut at ${share}${fails === undefined ? '' : `, with ${fails}`}`, log, (replica, world) => {
    if (!mayCut(replica, world)) return;
    const { end } = replica;
    // Nothing that is committed is cut.
    const start = Math.max(replica.start, replica.committed);
    if (fails !== undefined) world.disk.failNextAppend(fails, 10);
    // Mostly near the end.
    replica.truncateTo(end - Math.floor(share * share * (end - start)), (write) => world.tryWrite(write));
    if (replica.log.appendable) world.beginEpoch(replica);
  }),
);

const makeAnew = fc
  .record({ log: logs, share: place, beyond: fc.constantFrom(0, 0, 7), fails: refusal })
  .map(({ log, share, beyond, fails }) =>
    logStep(`begin anew at ${share} and ${beyond}`, log, (replica, world) => {
      if (!mayCut(replica, world)) return;
      if (fails !== undefined) world.disk.failNextAppend(fails, 10);
      replica.restartAt(Math.floor(share * replica.end) + beyond, (write) => world.tryWrite(write));
      if (replica.log.appendable) world.beginEpoch(replica);
    }),
  );

const cuts = fc.array(fc.nat(30), { maxLength: 2 });

const endProcess = fc
  .record({ how: fc.constantFrom('power cut' as const, 'kill' as const), cuts })
  .map(({ how, cuts: after }) =>
    step(
      `${how}, and in the start after ${after.join() || 'none'}`,
      (world) => {
        world.end(how);
        world.start(after);
      },
      'end',
    ),
  );

const cutLater = fc
  .nat(30)
  .map((mutations) => step(`a power cut after ${mutations} mutations`, ({ disk }) => disk.crashAfter(mutations)));

const restart = fc.record({ waits: fc.boolean(), cuts }).map(({ waits, cuts: after }) =>
  step(
    `stop${waits ? '' : ' at once'} and start, cut after ${after.join() || 'none'}`,
    (world) => {
      world.stop(waits);
      world.end();
      world.start(after);
    },
    'stop',
  ),
);

const read = fc
  .record({ log: logs, share: place, maxBytes: fc.constantFrom(1, 200, 5_000) })
  .map(({ log, share, maxBytes }) =>
    logStep(`read at ${share} up to ${maxBytes} bytes`, log, (replica) => {
      const { startOffset, durableEnd, endOffset } = replica.log;
      replica.checkContents(startOffset + Math.floor(share * (durableEnd - startOffset)), maxBytes);
      assert.equal(replica.log.read(offset(endOffset + 1), 100, durableEnd).kind, 'outOfRange');
      if (replica.log.appendable) assert.equal(replica.log.read(durableEnd, 100, durableEnd).kind, 'atEnd');
    }),
  );

const find = fc.record({ log: logs, timestampMs: fc.integer({ min: 0, max: 1_001 }) }).map(({ log, timestampMs }) =>
  logStep(`find ${timestampMs}`, log, (replica, { rotten }) => {
    if (!rotten) replica.checkTimestamp(timestampMs);
  }),
);

/** What may happen in any history. */
export const STEPS: readonly fc.Arbitrary<ModelStep>[] = [
  append,
  append,
  append,
  append,
  produce,
  produce,
  produceNext,
  produceNext,
  bumpEpoch,
  forgetProducers,
  flush,
  flush,
  flushOne,
  completeSyncs,
  completeSyncs,
  settle,
  failSync,
  failAppend,
  pass,
  fill,
  makeRoom,
  beginEpoch,
  mirror,
  mirror,
  mirrorAll,
  truncate,
  truncate,
  makeAnew,
  checkpoint,
  deleteRecords,
  retain,
  endProcess,
  cutLater,
  restart,
  read,
  find,
];

const load = fc.record({ log: logs, first: fc.nat(4), tombstones: fc.boolean() }).map(({ log, first, tombstones }) =>
  logStep(`append much from key ${first} on`, log, (replica, world) => {
    for (let i = first; i < first + 8 && replica.leads; i++) {
      const valueBytes = tombstones && i % 3 === 0 ? -1 : 100;
      replica.append(makeBatch([i, i], { valueBytes, fill: i, keys: [`k${i % 4}`, `l${i}`] }), 2);
      replica.log.flush();
      world.settle();
    }
  }),
);

const seal = logs.map((log) =>
  logStep('seal', log, ({ log: { durableEnd }, log: sealed }) => {
    if (durableEnd > 0) sealed.retain({ nowMs: 10_000, retentionMs: -1, retentionBytes: -1, segmentMs: 0 });
  }),
);

const beginPass = fc
  .record({
    log: logs,
    share: fc.constantFrom(0.5, 1, 1),
    mapBytes: fc.constantFrom(400, 10_000),
    keepsTombstones: fc.boolean(),
  })
  .map(({ log, ...rules }) => logStep(`compact ${JSON.stringify(rules)}`, log, (replica) => replica.compact(rules)));

const goOn = fc
  .record({
    log: logs,
    slices: fc.constantFrom(1, 3, 100),
    mutations: fc.constantFrom(undefined, undefined, 0, 3, 9, 20),
  })
  .map(({ log, slices, mutations }) =>
    logStep(`a pass goes on for ${slices} slices, and ${mutations ?? 'all'} mutations`, log, (replica, world) => {
      if (mutations !== undefined && replica.log.compaction.isUnderWay) world.disk.crashAfter(mutations);
      const complete = (): void => world.settle();
      replica.compaction.goOn(replica.log, slices, { clock: world.clock, complete });
    }),
  );

/**
 * The same with compaction, which much has to come together for. Without cuts that nothing asks for: behind one below both
 * producer snapshots nothing is known of batches that were deleted.
 */
export const COMPACTED_STEPS: readonly fc.Arbitrary<ModelStep>[] = [
  ...STEPS.filter((one) => one !== truncate),
  ...Array.from({ length: 8 }, () => [load, seal, beginPass, goOn, goOn, mirrorAll]).flat(),
];

/** Bytes rot, once in a history: behind two places that rotted nobody can tell what was durable. */
export const ROT: fc.Arbitrary<ModelStep> = fc
  .record({ log: logs, file: place, from: place, bytes: fc.constantFrom(0, 1, 64, 512) })
  .map(({ log, file, from, bytes }) =>
    logStep(`rot of ${bytes === 0 ? 'a bit' : `${bytes} bytes`} in file ${file} at ${from}`, log, (replica, world) => {
      world.rot(replica, { file, from, bytes });
    }),
  );
