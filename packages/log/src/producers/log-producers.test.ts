import { expect, test } from 'vitest';
import { DiskError, type Disk } from '@weir/base/disk.ts';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { PRODUCER_ID_EXPIRATION_MS, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import type { Log } from '../log.ts';
import { encodeStored } from '../stored-file.ts';
import { asProducers, makeBatch, ManualClock, openForAppends, openLog } from '../test-kit.ts';

const BATCH_BYTES = makeBatch([1]).length;
/** Four batches to a segment. */
const CONFIG = { segmentBytes: 4 * BATCH_BYTES, groupBytesMax: 4 * BATCH_BYTES, indexIntervalBytes: 1 };
const named = (at: number, ending: string): string => `${String(at).padStart(20, '0')}.${ending}`;
const path = (at: number, ending: string): string => `logs/p/${named(at, ending)}`;

/** Batch `sequence` of a producer, which is at the same offset when the log has nothing else. */
function batchOf(sequence: number, producerId = 7): Buffer {
  return asProducers(makeBatch([sequence]), { producerId, sequence });
}

function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk(seededRandom(seed));
}

function appendAll(log: Log, from: number, to: number): void {
  for (let sequence = from; sequence < to; sequence++) {
    expect(log.admit(batchOf(sequence))).toBeUndefined();
    log.append(batchOf(sequence));
  }
}

/** With so many batches of producer 7, all of them durable. */
function diskWith(batches: number, how: 'killed' | 'closed' = 'killed'): SimulatedDisk {
  const disk = newDisk();
  const log = openForAppends(disk, { config: CONFIG });
  appendAll(log, 0, batches);
  log.flush();
  disk.settle();
  if (how === 'closed') log.close(true);
  disk.kill();
  return disk;
}

function reopen(disk: SimulatedDisk, options: Parameters<typeof openLog>[1] = {}): Log {
  return openLog(disk, { config: CONFIG, ...options }).log;
}

/** What the log says to a batch: "append", "duplicate at …" or the refusal's code. */
function judge(log: Log, sequence: number, producerId = 7): string {
  const judged = log.admit(batchOf(sequence, producerId));
  if (judged === undefined) return 'append';
  return 'code' in judged ? judged.code : `duplicate at ${judged.baseOffset}`;
}

/** What the log gets wrong about producer 7, whose batches are all that it has, and are so many. */
function mistakes(log: Log, count: number): string[] {
  const expected: Record<number, string> = { [count]: 'append' };
  if (count > 0) expected[count + 1] = 'OUT_OF_ORDER_SEQUENCE_NUMBER';
  for (let i = Math.max(0, count - 5); i < count; i++) expected[i] = `duplicate at ${i}`;
  if (count > 5) expected[count - 6] = 'OUT_OF_ORDER_SEQUENCE_NUMBER';
  return Object.entries(expected)
    .map(([sequence, answer]) => `${sequence} of ${count}: ${judge(log, Number(sequence))}, not ${answer}`)
    .filter((line) => !/: (.*), not \1$/.test(line));
}

function snapshotsIn(disk: SimulatedDisk): string[] {
  return disk
    .list('logs/p')!
    .filter((name) => /snapshot|no-producers/.test(name))
    .toSorted();
}

/** The disk, and which files are read or opened. */
function watched(disk: SimulatedDisk): { readonly disk: Disk; readonly touched: string[] } {
  const touched: string[] = [];
  const watching = new Proxy(disk, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (property === 'readFile' || property === 'open') touched.push(String(args[0]).slice('logs/p/'.length));
        return Reflect.apply(value, target, args);
      };
    },
  });
  return { disk: watching, touched };
}

test('a batch is told from the one before it as soon as it is appended, and is known until it has expired', () => {
  const log = openForAppends(newDisk());
  appendAll(log, 0, 7);
  expect(mistakes(log, 7)).toEqual([]);
  log.flush();
  for (const nowMs of [5, 5 + PRODUCER_ID_EXPIRATION_MS - 1]) log.expireProducers(nowMs);
  expect(mistakes(log, 7)).toEqual([]);
});

test('a producer that is silent for a day is forgotten, and one whose batch is not written yet is not', () => {
  const disk = newDisk();
  const log = openForAppends(disk);
  log.append(batchOf(0));
  log.flush();
  disk.settle();
  log.append(batchOf(0, 8));
  log.expireProducers(5);
  log.expireProducers(5 + PRODUCER_ID_EXPIRATION_MS);
  expect([judge(log, 9), judge(log, 9, 8)]).toEqual(['append', 'OUT_OF_ORDER_SEQUENCE_NUMBER']);
});

test('a producer id that is no safe integer is refused', () => {
  const batch = batchOf(0);
  batch.writeBigInt64BE(2n ** 60n, 43);
  expect(openForAppends(newDisk()).admit(batch)).toMatchObject({ code: 'INVALID_RECORD' });
});

test('what was killed knows its producers again, in sealed segments and in the active one', () => {
  for (let batches = 0; batches < 14; batches++) expect(mistakes(reopen(diskWith(batches)), batches)).toEqual([]);
});

test('after a clean stop the snapshot is read, and no batch', () => {
  const stopped = diskWith(10, 'closed');
  expect(snapshotsIn(stopped)).toEqual([named(4, 'snapshot'), named(8, 'snapshot'), named(10, 'snapshot')]);
  const { disk, touched } = watched(stopped);
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 10, cleanShutdown: true });
  expect(mistakes(log, 10)).toEqual([]);
  expect(recovery.scannedBytes).toBe(0);
  expect(touched.filter((name) => /snapshot|no-producers/.test(name))).toEqual([named(10, 'snapshot')]);
  // For its size, and to append to it.
  expect(touched.filter((name) => name === named(8, 'log'))).toHaveLength(2);
});

test('a log without idempotent producers has names alone, reads none of them, and an empty log has no name', () => {
  const original = newDisk();
  const log = openForAppends(original, { config: CONFIG });
  for (let i = 0; i < 10; i++) log.append(makeBatch([i]));
  log.flush();
  original.settle();
  log.close(true);
  const names = [named(4, 'no-producers'), named(8, 'no-producers'), named(10, 'no-producers')];
  expect(snapshotsIn(original)).toEqual(names);
  for (const cleanShutdown of [true, false]) {
    const { disk, touched } = watched(original);
    openLog(disk, { config: CONFIG, checkpoint: 10, cleanShutdown });
    expect(touched.filter((name) => /snapshot|no-producers/.test(name))).toEqual([]);
    // For their sizes, and to append to the last one.
    expect(touched.filter((name) => name.endsWith('.log'))).toEqual([8, 0, 4, 8].map((base) => named(base, 'log')));
  }
  const empty = newDisk();
  openForAppends(empty, { config: CONFIG }).close(true);
  expect(snapshotsIn(empty)).toEqual([]);
});

test('a log that is stopped again and again keeps few snapshots', () => {
  const disk = newDisk();
  for (let run = 0; run < 9; run++) {
    const log = openForAppends(disk, { config: CONFIG, checkpoint: run, cleanShutdown: run > 0 });
    appendAll(log, run, run + 1);
    expect(log.close(true)).toBe(true);
    disk.kill();
  }
  expect(snapshotsIn(disk)).toEqual([named(4, 'snapshot'), named(8, 'snapshot'), named(9, 'snapshot')]);
  expect(mistakes(reopen(disk, { cleanShutdown: true, checkpoint: 9 }), 9)).toEqual([]);
});

test.each([true, false])('a damaged snapshot is passed over for an older one, clean stop: %s', (cleanShutdown) => {
  const disk = diskWith(15, 'closed');
  expect(snapshotsIn(disk)).toEqual([named(8, 'snapshot'), named(12, 'snapshot'), named(15, 'snapshot')]);
  for (const at of [15, 12]) disk.flipBit(path(at, 'snapshot'), 20);
  expect(mistakes(reopen(disk, { cleanShutdown, checkpoint: 15 }), 15)).toEqual([]);
  // So that the next start need not go as far back.
  expect(snapshotsIn(disk)).toEqual([named(8, 'snapshot'), named(15, 'snapshot')]);
  disk.crash();
  expect(mistakes(reopen(disk, { checkpoint: 15 }), 15)).toEqual([]);
});

test('a snapshot in the middle of a sealed segment is gone on from', () => {
  const disk = diskWith(6, 'closed');
  const log = openForAppends(disk, { config: CONFIG, cleanShutdown: true, checkpoint: 6 });
  appendAll(log, 6, 9);
  log.flush();
  disk.settle();
  expect(snapshotsIn(disk)).toEqual([named(6, 'snapshot'), named(8, 'snapshot')]);
  disk.kill();
  disk.removeFile(path(8, 'snapshot'));
  expect(mistakes(reopen(disk), 9)).toEqual([]);
});

test.each([true, false])('without any snapshot the log is gone through from its start, clean stop: %s', (clean) => {
  const disk = diskWith(10, 'closed');
  for (const name of snapshotsIn(disk)) disk.removeFile(`logs/p/${name}`);
  expect(mistakes(reopen(disk, { cleanShutdown: clean, checkpoint: 10 }), 10)).toEqual([]);
});

test('a snapshot that cannot be read is passed over', () => {
  const disk = diskWith(10, 'closed');
  const readFile = disk.readFile.bind(disk);
  disk.readFile = (file) => {
    if (file === path(10, 'snapshot')) throw new DiskError('EIO', 'rot');
    return readFile(file);
  };
  expect(mistakes(reopen(disk, { checkpoint: 10 }), 10)).toEqual([]);
});

test('a snapshot beyond the end is removed for good before others can have its offsets', () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = newDisk(seed);
    const log = openForAppends(disk, { config: { ...CONFIG, segmentBytes: 1_000_000 } });
    appendAll(log, 0, 3);
    log.flush();
    disk.settle();
    log.close(true);
    disk.syncDirectory('logs/p');
    disk.kill();
    const file = disk.open(path(0, 'log'), 'append');
    file.truncate(BATCH_BYTES);
    file.syncNow();
    file.close();
    const cut = openForAppends(disk, { config: CONFIG });
    expect(cut.endOffset).toBe(1);
    expect(mistakes(cut, 1)).toEqual([]);
    disk.crash();
    expect(snapshotsIn(disk)).toEqual([]);
  }
});

test('a snapshot of a newer Weir keeps the log from opening, with its name', () => {
  const disk = diskWith(2, 'closed');
  disk.removeFile(path(2, 'snapshot'));
  const file = disk.open(path(2, 'snapshot'), 'create');
  file.append([encodeStored({ magic: 'WPRS', version: 2, name: 'producer snapshot' }, Buffer.alloc(12))]);
  file.close();
  expect(() => reopen(disk, { cleanShutdown: true, checkpoint: 2 })).toThrow(
    `${path(2, 'snapshot')} is a producer snapshot of format version 2`,
  );
});

test('behind batches that have rotted a producer is taken for a new one instead of being refused for ever', () => {
  const disk = diskWith(12, 'closed');
  for (const name of snapshotsIn(disk)) disk.removeFile(`logs/p/${name}`);
  // The magic of the batch at offset 5: after a clean stop segments are trusted by their sizes.
  disk.flipBit(path(4, 'log'), BATCH_BYTES + 16, 0);
  const log = reopen(disk, { cleanShutdown: true, checkpoint: 12 });
  expect([judge(log, 12), judge(log, 13)]).toEqual(['append', 'OUT_OF_ORDER_SEQUENCE_NUMBER']);
  expect([judge(log, 8), judge(log, 7)]).toEqual(['duplicate at 8', 'OUT_OF_ORDER_SEQUENCE_NUMBER']);
  const worse = diskWith(12, 'closed');
  for (const name of snapshotsIn(worse)) worse.removeFile(`logs/p/${name}`);
  worse.flipBit(path(8, 'log'), 3 * BATCH_BYTES + 16, 0);
  const forgetful = reopen(worse, { cleanShutdown: true, checkpoint: 12 });
  expect([judge(forgetful, 12), judge(forgetful, 44)]).toEqual(['append', 'append']);
});

test('producers outlast their batches: deleted records, retention, and a power cut right after it', () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const how of ['delete', 'retain'] as const) {
      const disk = newDisk(seed);
      const log = openForAppends(disk, { config: CONFIG });
      appendAll(log, 0, 10);
      log.flush();
      disk.settle();
      if (how === 'delete') log.deleteRecords(log.endOffset);
      else log.retain({ nowMs: 10 ** 6, retentionMs: 1, retentionBytes: -1, segmentMs: -1 });
      expect([log.startOffset, log.segmentCount]).toEqual([10, 1]);
      expect(snapshotsIn(disk)).toEqual([named(10, 'snapshot')]);
      disk.crash();
      expect(mistakes(reopen(disk), 10)).toEqual([]);
    }
  }
});

test('wherever the power goes, and the process starts over, each batch is there once and the next one follows', () => {
  let cuts = 0;
  for (let seed = 0; seed < 5; seed++) {
    for (let cut = 0; cut < 120; cut += 1 + (seed % 3)) {
      const disk = newDisk(seed);
      let sent = 0;
      let counted = 0;
      const run = (clean: boolean, checkpoint: number): boolean => {
        const log = openForAppends(disk, { config: CONFIG, cleanShutdown: clean, checkpoint });
        expect(mistakes(log, log.endOffset)).toEqual([]);
        expect(log.endOffset).toBeGreaterThanOrEqual(counted);
        expect(log.endOffset).toBeLessThanOrEqual(sent);
        log.onAdvance = (end) => (counted = end);
        for (let round = 0; round < 4; round++) {
          sent = Math.max(sent, log.endOffset + 2);
          appendAll(log, log.endOffset, log.endOffset + 2);
          log.flush();
          disk.settle();
          if (round === 2) log.deleteRecords(offset(Math.max(0, log.durableEnd - 3)));
        }
        return log.close(true);
      };
      run(false, 0);
      const stopped = counted;
      disk.kill();
      disk.crashAfter(cut);
      try {
        run(true, stopped);
      } catch (error) {
        if (disk.powerCut === undefined) throw error;
        cuts += 1;
      }
      disk.crash();
      run(false, stopped);
    }
  }
  expect(cuts).toBeGreaterThan(100);
});

test('a disk that is full as a segment is sealed makes the log wait, and its producers are as before', () => {
  const disk = newDisk();
  const clock = new ManualClock();
  const log = openForAppends(disk, { config: CONFIG, clock });
  appendAll(log, 0, 4);
  log.flush();
  disk.settle();
  const { totalBytes, freeBytes } = disk.space();
  disk.capacityBytes = totalBytes - freeBytes + 130;
  appendAll(log, 4, 6);
  log.flush();
  expect(log.stuck).toContain('no space');
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  clock.advance(WRITE_RETRY_MS);
  disk.settle();
  expect(log.durableEnd).toBe(6);
  expect(mistakes(log, 6)).toEqual([]);
  disk.crash();
  expect(mistakes(reopen(disk), 6)).toEqual([]);
});

test('a snapshot has what is in the segments, not what only waits to be written', () => {
  const disk = newDisk();
  const log = openForAppends(disk, { config: CONFIG });
  appendAll(log, 0, 6);
  log.flush();
  // The group of four is written; the next one, for which the segment is sealed, never is.
  disk.completeSyncs(1);
  disk.crashAfter(30);
  try {
    log.retain({ nowMs: 10 ** 6, retentionMs: -1, retentionBytes: -1, segmentMs: 1 });
  } finally {
    disk.kill();
  }
  const next = reopen(disk);
  expect(mistakes(next, next.endOffset)).toEqual([]);
});

test('a damaged log admits what it likes: it takes no appends', () => {
  const disk = diskWith(3);
  disk.flipBit(path(0, 'log'), 70);
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 3 });
  expect(recovery.damage).toBeDefined();
  log.expireProducers(1);
  expect(log.admit(batchOf(3))).toBeUndefined();
  expect(() => log.beginEpoch(leaderEpoch(9))).toThrow('an epoch begins in a log that takes appends');
});

test('a log that begins anew knows of batches below its start what another one remembers, after a power cut as well', () => {
  const other = reopen(diskWith(7));
  const disk = diskWith(2);
  const log = reopen(disk);
  log.restartAt(offset(5), other.producersBelow(offset(5)));
  expect([2, 4, 5, 6].map((sequence) => judge(log, sequence))).toEqual([
    'duplicate at 2',
    'duplicate at 4',
    'append',
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
  ]);
  disk.crash();
  const again = reopen(disk);
  expect([again.startOffset, judge(again, 4), judge(again, 5)]).toEqual([5, 'duplicate at 4', 'append']);
  again.restartAt(offset(5));
  expect(judge(again, 9)).toBe('append');
});

test('of what lies behind an offset nothing is told, written or not', () => {
  const log = reopen(diskWith(7));
  appendAll(log, 7, 9);
  const batchesBelow = (end: number): number[] =>
    [...log.producersBelow(offset(end)).entries()].flatMap(([, { batches }]) => batches.map((one) => one.firstOffset));
  // The last five are remembered.
  expect([batchesBelow(9), batchesBelow(8), batchesBelow(6), batchesBelow(4)]).toEqual([
    [4, 5, 6, 7, 8],
    [4, 5, 6, 7],
    [4, 5],
    [],
  ]);
});
