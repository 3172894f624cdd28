import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { encodeStored } from './stored-file.ts';
import { makeBatch, openForAppends, openLog } from './test-kit.ts';

const BATCH_BYTES = makeBatch([1]).length;
const CONFIG = { segmentBytes: 4 * BATCH_BYTES, groupBytesMax: 2 * BATCH_BYTES, indexIntervalBytes: 1 };
const path = (base: number, ending: string): string => `logs/p/${String(base).padStart(20, '0')}${ending}`;

/** A disk with batches of one record each, all of them durable: four in each segment. */
function diskWith(batches: number, config: object = CONFIG): SimulatedDisk {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = openForAppends(disk, { config });
  for (let i = 0; i < batches; i++) log.append(makeBatch([i]));
  log.flush();
  disk.settle();
  disk.kill();
  return disk;
}

function addBytes(disk: SimulatedDisk, file: string, bytes: Uint8Array): void {
  const handle = disk.open(file, 'append');
  handle.append([bytes]);
  handle.close();
}

test('a torn tail is cut, kept aside and counted, and the log goes on', () => {
  const disk = diskWith(2);
  addBytes(disk, path(0, '.log'), makeBatch([1]).subarray(0, 50));
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 2 });
  expect(recovery).toMatchObject({ tornBytesCut: 50, keptAside: path(2, '.torn') });
  expect(disk.readFile(path(2, '.torn'))).toEqual(makeBatch([1]).subarray(0, 50));
  expect(recovery.damage).toBeUndefined();
  log.beginEpoch(leaderEpoch(1));
  expect(log.append(makeBatch([1]))).toBe(2);
});

test('a tail of zeros is torn, and only the latest torn tail is kept', () => {
  const disk = diskWith(2);
  addBytes(disk, path(0, '.log'), Buffer.alloc(40));
  expect(openLog(disk, { config: CONFIG, checkpoint: 2 }).recovery.tornBytesCut).toBe(40);
  const log = openForAppends(disk, { config: CONFIG });
  log.append(makeBatch([1]));
  log.flush();
  disk.kill();
  addBytes(disk, path(0, '.log'), Buffer.alloc(10));
  expect(openLog(disk, { config: CONFIG }).recovery.tornBytesCut).toBe(10);
  expect(disk.list('logs/p')!.filter((name) => name.endsWith('.torn'))).toEqual([`${'3'.padStart(20, '0')}.torn`]);
});

test('what a failed sync left in memory is written again by the next start, so that no power failure takes it later', () => {
  const config = { flush: 'interval', groupBytesMax: 400, flushIntervalBytes: 800, indexIntervalBytes: 300 } as const;
  for (let seed = 0; seed < 40; seed++) {
    const disk = new SimulatedDisk(seededRandom(seed), { blockBytes: 64 });
    const log = openForAppends(disk, { config });
    for (let i = 0; i < 5; i++) {
      log.append(makeBatch([i], { valueBytes: 300, fill: 7 }));
      log.flush();
      if (i === 2) disk.settle();
    }
    const checkpoint = log.checkpointable();
    disk.failNextSync();
    disk.settle();
    // The process ends over it. The system reads it back as if it were written, and no later sync would say otherwise.
    disk.kill();
    const again = openLog(disk, { config, checkpoint });
    const end = again.log.endOffset;
    expect([again.recovery.damage, end > checkpoint, again.log.checkpointable()]).toEqual([undefined, true, end]);
    disk.crash();
    const { recovery } = openLog(disk, { config, checkpoint: end });
    expect([recovery.damage, recovery.tornBytesCut]).toEqual([undefined, 0]);
  }
});

test('a full disk that tore the tail does not keep the log from opening', () => {
  const disk = diskWith(2);
  addBytes(disk, path(0, '.log'), Buffer.alloc(40));
  disk.capacityBytes = 0;
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 2 });
  expect(recovery).toEqual({ scannedBytes: 2 * BATCH_BYTES + 40, tornBytesCut: 40, rebuiltFiles: 0 });
  expect(log.endOffset).toBe(2);
});

test('a bad byte below the checkpoint is damage: nothing is cut and nothing appended', () => {
  const disk = diskWith(3);
  const before = disk.readFile(path(0, '.log'))!;
  disk.flipBit(path(0, '.log'), BATCH_BYTES + 65);
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 2 });
  expect(recovery.damage).toMatchObject({ segment: `${'0'.repeat(20)}.log`, position: BATCH_BYTES, offset: 1 });
  expect(disk.readFile(path(0, '.log'))!.length).toBe(before.length);
  expect([log.appendable, log.endOffset, recovery.tornBytesCut]).toEqual([false, 1, 0]);
  // The checkpoint must not come down, or the next start would cut.
  expect(log.checkpointable()).toBe(2);
  log.close(true);
  expect(openLog(disk, { config: CONFIG, checkpoint: 2, cleanShutdown: true }).recovery.damage).toBeDefined();
});

test('every bit of a header and body below the checkpoint is watched', () => {
  for (let byte = 0; byte < BATCH_BYTES; byte++) {
    const disk = diskWith(3);
    disk.flipBit(path(0, '.log'), BATCH_BYTES + byte, byte % 8);
    const { recovery } = openLog(disk, { config: CONFIG, checkpoint: 3 });
    expect(recovery.damage, `byte ${byte}`).toMatchObject({ offset: 1, position: BATCH_BYTES });
  }
});

test('a bad byte with a valid batch further behind than one group reaches is damage without any checkpoint', () => {
  const config = { ...CONFIG, segmentBytes: 100 * BATCH_BYTES };
  const disk = diskWith(8, config);
  disk.flipBit(path(0, '.log'), 70);
  const { recovery } = openLog(disk, { config });
  expect(recovery.damage).toMatchObject({ offset: 0, position: 0 });
  expect(recovery.damage!.why).toContain('a valid batch follows');
  // Nearer than that it may be the same unfinished write.
  const near = diskWith(2, config);
  near.flipBit(path(0, '.log'), 70);
  expect(openLog(near, { config }).recovery).toMatchObject({ tornBytesCut: 2 * BATCH_BYTES });
});

test('the start of an epoch was durable: a log that ends below it is damaged', () => {
  const disk = diskWith(2);
  openForAppends(disk, { config: CONFIG }).close(false);
  const file = disk.open(path(0, '.log'), 'append');
  file.truncate(BATCH_BYTES);
  file.close();
  const { recovery } = openLog(disk, { config: CONFIG });
  expect(recovery.damage).toMatchObject({ offset: 1 });
});

test('a log that ends on a batch below the checkpoint is damaged, with or without its files', () => {
  const disk = diskWith(2);
  expect(openLog(disk, { config: CONFIG, checkpoint: 3 }).recovery.damage).toMatchObject({ offset: 2 });
  const empty = new SimulatedDisk(seededRandom(1));
  const { log, recovery } = openLog(empty, { checkpoint: 3 });
  expect(recovery.damage).toMatchObject({ offset: 0 });
  expect([log.startOffset, log.endOffset, log.checkpointable()]).toEqual([0, 0, 3]);
  expect(empty.list('logs/p')).toEqual([]);
});

test('damage in a sealed segment, a missing one and a missing first one are told apart', () => {
  const changed = diskWith(12);
  changed.flipBit(path(4, '.log'), 70);
  changed.removeFile(path(4, '.index'));
  expect(openLog(changed, { config: CONFIG }).recovery.damage).toMatchObject({ offset: 4, position: 0 });

  const middle = diskWith(12);
  middle.removeFile(path(4, '.log'));
  expect(openLog(middle, { config: CONFIG }).recovery.damage).toMatchObject({
    offset: 4,
    why: 'it ends at offset 4, the next begins at 8',
  });

  const first = diskWith(12);
  first.removeFile(path(0, '.log'));
  expect(openLog(first, { config: CONFIG }).recovery.damage).toMatchObject({ offset: 0 });

  const shorter = diskWith(12);
  const file = shorter.open(path(4, '.log'), 'append');
  file.truncate(BATCH_BYTES);
  file.close();
  expect(openLog(shorter, { config: CONFIG, cleanShutdown: true }).recovery.damage).toMatchObject({ offset: 5 });
});

test('missing and damaged indexes of sealed segments are made again, and counted', () => {
  const disk = diskWith(12);
  const original = disk.readFile(path(0, '.index'));
  disk.removeFile(path(0, '.index'));
  disk.flipBit(path(4, '.timeindex'), 60);
  const { log, recovery } = openLog(disk, { config: CONFIG });
  expect(recovery).toMatchObject({ rebuiltFiles: 2 });
  expect(disk.readFile(path(0, '.index'))).toEqual(original);
  expect(log.endOffset).toBe(12);
});

test('a leader-epoch file that is gone or damaged is made again from the batches, and counted', () => {
  for (const cleanShutdown of [true, false]) {
    const disk = diskWith(6);
    const { log: second } = openLog(disk, { config: CONFIG });
    second.beginEpoch(leaderEpoch(7));
    second.append(makeBatch([7]));
    second.close(true);
    const original = disk.readFile('logs/p/leader-epochs')!;
    for (const lose of [
      (): void => disk.removeFile('logs/p/leader-epochs'),
      () => disk.flipBit('logs/p/leader-epochs', 14),
    ]) {
      lose();
      const { log, recovery } = openLog(disk, { config: CONFIG, cleanShutdown, checkpoint: 7 });
      expect(recovery).toMatchObject({ rebuiltFiles: 2, tornBytesCut: 0 });
      expect([recovery.damage, log.latestEpoch, log.endOffset]).toEqual([undefined, 7, 7]);
      expect(disk.readFile('logs/p/leader-epochs')).toEqual(original);
      log.close(true);
    }
  }
});

test('an empty log needs no leader-epoch file: the first start may have ended before it was written', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  openLog(disk).log.close(false);
  const { log, recovery } = openLog(disk);
  expect([recovery.damage, log.appendable, log.latestEpoch]).toEqual([undefined, true, -1]);
});

test('an epoch in a batch header, which no CRC covers, is not believed against the file or the other batches', () => {
  for (const withFile of [true, false]) {
    const disk = diskWith(3);
    // Of the last but one: the one behind it contradicts it.
    disk.flipBit(path(0, '.log'), BATCH_BYTES + 12, 6);
    if (!withFile) disk.removeFile('logs/p/leader-epochs');
    const { recovery } = openLog(disk, { config: CONFIG, checkpoint: 3 });
    expect(recovery.damage?.why).toContain('leader epoch 1073741824');
  }
});

test('a log that starts behind 0 keeps its start, and a segment that is missing there is damage', () => {
  const disk = diskWith(12);
  const { log } = openLog(disk, { config: CONFIG });
  log.deleteRecords(offset(6));
  expect([log.startOffset, log.segmentCount, disk.readFile(path(0, '.log'))]).toEqual([6, 2, undefined]);
  log.deleteRecords(offset(2));
  expect(log.startOffset).toBe(6);
  disk.crash();
  const { log: again, recovery } = openLog(disk, { config: CONFIG, checkpoint: 12 });
  expect([again.startOffset, again.endOffset, recovery.damage]).toEqual([6, 12, undefined]);
  expect(again.read(offset(5), 1_000, again.durableEnd).kind).toBe('outOfRange');
  disk.removeFile(path(4, '.log'));
  expect(openLog(disk, { config: CONFIG }).recovery.damage?.why).toContain('offset 6 is missing');
});

test('segments whose removal was cut short go at the next start', () => {
  const disk = diskWith(12);
  const before = disk.readFile(path(0, '.log'))!;
  openLog(disk, { config: CONFIG }).log.deleteRecords(offset(8));
  disk.open(path(0, '.log'), 'create').append([before]);
  const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 12 });
  expect([log.startOffset, log.segmentCount, recovery.damage]).toEqual([8, 1, undefined]);
  expect(disk.readFile(path(0, '.log'))).toBeUndefined();
});

test('a read that found damage is remembered by the next start', () => {
  const disk = diskWith(3);
  const { log } = openLog(disk, { config: CONFIG });
  disk.flipBit(path(0, '.log'), BATCH_BYTES + 70);
  const read = log.read(offset(0), 1_000, log.durableEnd);
  assert(read.kind === 'cold');
  const errors: string[] = [];
  log.readCold(read.plan, (error) => errors.push(error?.code ?? 'none'));
  disk.settle();
  expect([errors, log.appendable]).toEqual([['EBADMSG'], false]);
  log.close(false);
  expect(openLog(disk, { config: CONFIG, cleanShutdown: true }).recovery.damage?.why).toContain('an earlier run found');
});

test('files of a newer Weir are refused by name and version', () => {
  const disk = diskWith(1);
  disk.removeFile('logs/p/leader-epochs');
  const newer = encodeStored({ magic: 'WEPO', version: 9, name: '' }, Buffer.alloc(3));
  disk.open('logs/p/leader-epochs', 'create').append([newer]);
  expect(() => openLog(disk)).toThrow('logs/p/leader-epochs is a leader-epoch file of format version 9');
});

test('leftovers of replaced files go, and strange names do no harm', () => {
  const disk = diskWith(1);
  for (const name of ['leader-epochs.new', '99999999999999999999.log', 'README', `${'0'.repeat(19)}.log`]) {
    disk.open(`logs/p/${name}`, 'create').close();
  }
  expect(openLog(disk, { config: CONFIG }).log.endOffset).toBe(1);
  expect(disk.list('logs/p')).not.toContain('leader-epochs.new');
});

test('an open segment has no index files, which would tell of a shorter one after a crash', () => {
  const disk = diskWith(2);
  openForAppends(disk, { config: CONFIG }).close(true);
  expect(disk.list('logs/p')).toContain(`${'0'.repeat(20)}.index`);
  openLog(disk, { config: CONFIG, cleanShutdown: true, checkpoint: 2 });
  expect(disk.list('logs/p')!.filter((name) => name.endsWith('index'))).toEqual([]);
});

/** Whether two segments of batches of one length differ at most in the batches' leader epochs. */
function sameButEpochs(a: Buffer, b: Buffer): boolean {
  const masked = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    for (let at = 0; at < copy.length; at += BATCH_BYTES) copy.fill(0, at + 12, at + 16);
    return copy;
  };
  return masked(a).equals(masked(b));
}

test('whatever happens to a log, its records are all there or damage is reported', () => {
  const seen = { whole: 0, damaged: 0, scanned: 0 };
  const ruin = fc.record({ file: fc.nat(), place: fc.nat(), kind: fc.constantFrom('flip', 'cut', 'remove', 'add') });
  const property = fc.property(fc.array(ruin, { minLength: 1, maxLength: 3 }), fc.boolean(), (ruins, cleanShutdown) => {
    const disk = diskWith(10);
    openForAppends(disk, { config: CONFIG }).close(true);
    const files = (base: number): (Buffer | undefined)[] =>
      ['.log', '.index', '.timeindex'].map((ending) => disk.readFile(path(base, ending)));
    const original = [0, 4, 8].map(files);
    const epochsBefore = disk.readFile('logs/p/leader-epochs')!;
    for (const { file, place, kind } of ruins) {
      const names = disk.list('logs/p')!.toSorted();
      const name = `logs/p/${names[file % names.length]}`;
      const size = disk.readFile(name)!.length;
      if (kind === 'flip' && size > 0) disk.flipBit(name, place % size, place % 8);
      if (kind === 'remove') disk.removeFile(name);
      if (kind === 'add') addBytes(disk, name, Buffer.alloc(1 + (place % 100), place));
      if (kind === 'cut') {
        const handle = disk.open(name, 'append');
        handle.truncate(place % (size + 1));
        handle.close();
      }
    }
    const ruined = [0, 4, 8].map(files);
    const epochsSound = disk.readFile('logs/p/leader-epochs')?.equals(epochsBefore) ?? false;
    const { log, recovery } = openLog(disk, { config: CONFIG, checkpoint: 10, cleanShutdown });
    if (recovery.damage === undefined) {
      seen.whole += 1;
      assert.deepEqual([log.endOffset, log.latestEpoch >= 0], [10, true]);
      for (const [i, base] of [0, 4, 8].entries()) {
        const [bytes] = files(base);
        assert.equal(bytes?.length, original[i]![0]!.length);
        // A start reads no segment whose size agrees with sound index files; its CRCs are for those who read it.
        const [, ...indexes] = ruined[i]!;
        const indexesSound = indexes.every((index, kind) => index?.equals(original[i]![kind + 1]!) ?? false);
        const scanned = !cleanShutdown && (base === 8 || !indexesSound);
        // Where the leader epochs had to be learned from the batches, theirs are believed: no CRC covers them.
        const same = epochsSound ? bytes.equals(original[i]![0]!) : sameButEpochs(bytes, original[i]![0]!);
        if (scanned) assert.ok(same);
        seen.scanned += scanned ? 1 : 0;
      }
    } else {
      seen.damaged += 1;
      assert.deepEqual([log.appendable, recovery.tornBytesCut, log.checkpointable()], [false, 0, 10]);
      assert.ok(log.endOffset <= 10);
    }
  });
  fc.assert(property, { numRuns: Number(process.env['LOG_MODEL_RUNS'] ?? 500) });
  expect(Math.min(seen.whole, seen.damaged, seen.scanned)).toBeGreaterThan(0);
});

test('what a dead process had written counts only once it is durable', () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = openForAppends(disk);
  log.append(makeBatch([1]));
  log.flush();
  disk.kill();
  expect(openLog(disk).log.durableEnd).toBe(1);
  disk.crash();
  expect(openLog(disk).log.durableEnd).toBe(1);
});
