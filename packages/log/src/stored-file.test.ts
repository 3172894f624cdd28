import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { decodeCheckpoint, encodeCheckpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { takeCleanMarker, writeCleanMarker } from './clean-marker.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { decodeStored, encodeStored } from './stored-file.ts';

const KIND = { magic: 'TEST', version: 3, name: 'test file' };
const newDisk = (): SimulatedDisk => new SimulatedDisk(seededRandom(1));

test('a stored file gives its body back, and nothing once a bit of it changed or a part is missing', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(), fc.nat(7), (body, place, bit) => {
    const bytes = encodeStored(KIND, body);
    expect(decodeStored(KIND, 'f', bytes)).toEqual(Buffer.from(body));
    const flipped = Buffer.from(bytes);
    flipped[place % bytes.length]! ^= 1 << bit;
    expect(decodeStored(KIND, 'f', flipped)).toBeUndefined();
    expect(decodeStored(KIND, 'f', bytes.subarray(0, place % bytes.length))).toBeUndefined();
  });
  fc.assert(property);
});

test('a newer version is refused by name, an older one is read', () => {
  const newer = encodeStored({ ...KIND, version: 4 }, Buffer.from('x'));
  expect(() => decodeStored(KIND, 'some/file', newer)).toThrow(
    'some/file is a test file of format version 4; this Weir knows versions up to 3',
  );
  expect(decodeStored(KIND, 'f', encodeStored({ ...KIND, version: 1 }, Buffer.from('x')))?.toString()).toBe('x');
});

test('random bytes are no stored file and no checkpoint', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeStored(KIND, 'f', Buffer.from(bytes))).toBeUndefined();
      expect(decodeCheckpoint('f', Buffer.from(bytes))).toBeUndefined();
    }),
  );
});

test('a checkpoint file keeps every offset by its name', () => {
  const entries = fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.maxSafeNat()));
  fc.assert(
    fc.property(entries, (list) => {
      const offsets = new Map(list.map(([name, value]) => [name, offset(value)]));
      expect(decodeCheckpoint('f', encodeCheckpoint(offsets))).toEqual(offsets);
    }),
  );
});

test('a checkpoint body that does not add up is damaged, whatever its CRC says', () => {
  const kind = { magic: 'WCKP', version: 1, name: '' };
  const bodies = [[], [1, 0, 0, 0], [0, 0, 0, 0, 9], [1, 0, 0, 0, ...Buffer.alloc(8, 255), 0, 0]];
  for (const body of bodies) {
    expect(decodeCheckpoint('f', encodeStored(kind, Uint8Array.from(body)))).toBeUndefined();
  }
  expect(decodeCheckpoint('f', encodeStored(kind, new Uint8Array(4)))).toEqual(new Map());
});

test('a missing checkpoint file is none, a damaged one is said to be', () => {
  const disk = newDisk();
  expect(readCheckpoint(disk, '')).toEqual({ offsets: new Map(), damaged: false });
  writeCheckpoint(disk, '', new Map([['a-0', offset(5)]]));
  expect(readCheckpoint(disk, '')).toEqual({ offsets: new Map([['a-0', 5]]), damaged: false });
  disk.flipBit('checkpoint', 20);
  expect(readCheckpoint(disk, '')).toEqual({ offsets: new Map(), damaged: true });
});

test('the clean marker is there once, and never again after a crash', () => {
  // What a crash keeps is chance: many of them.
  for (let seed = 1; seed <= 40; seed++) {
    const disk = new SimulatedDisk(seededRandom(seed));
    expect(takeCleanMarker(disk, '')).toBeUndefined();
    writeCleanMarker(disk, '', 42);
    disk.crash();
    expect(takeCleanMarker(disk, '')).toBe(42);
    disk.crash();
    expect(takeCleanMarker(disk, '')).toBeUndefined();
    writeCleanMarker(disk, '', 43);
    disk.flipBit('clean-shutdown', 9);
    expect(takeCleanMarker(disk, '')).toBeUndefined();
  }
});

test('leader epochs tell the epoch of an offset, forget empty epochs and outlive a crash', () => {
  const disk = newDisk();
  const epochs = new LeaderEpochs();
  expect([epochs.latest, epochs.at(0)]).toEqual([-1, -1]);
  epochs.note(leaderEpoch(1), offset(0));
  epochs.note(leaderEpoch(4), offset(10));
  epochs.note(leaderEpoch(6), offset(10));
  expect([0, 9, 10, 99].map((value) => epochs.at(value))).toEqual([1, 1, 6, 6]);
  epochs.write(disk, '');
  disk.crash();
  const { epochs: again, whole } = LeaderEpochs.read(disk, '');
  expect(whole).toBe(true);
  expect([again.latest, again.latestStart, again.at(9)]).toEqual([6, 10, 1]);
  expect(() => again.note(leaderEpoch(6), offset(10))).toThrow('begins after');
  expect(() => again.note(leaderEpoch(7), offset(9))).toThrow('before the epoch in front');
  expect([again.cutTo(offset(10)), again.cutTo(offset(9)), again.latest]).toEqual([false, true, 1]);
});

test('an epoch begins with one sync; of a torn or rotten file what lies in front is kept', () => {
  const disk = newDisk();
  const epochs = new LeaderEpochs();
  epochs.begin(leaderEpoch(1), offset(0), disk, '');
  epochs.begin(leaderEpoch(2), offset(10), disk, '');
  disk.failNextAppend('ENOSPC', 5);
  expect(() => epochs.begin(leaderEpoch(3), offset(20), disk, '')).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  expect(epochs.latest).toBe(2);
  epochs.begin(leaderEpoch(4), offset(20), disk, '');
  disk.crash();
  expect(LeaderEpochs.read(disk, '')).toMatchObject({ whole: true, epochs: { latest: 4, latestStart: 20 } });
  disk.flipBit('leader-epochs', disk.readFile('leader-epochs')!.length - 3);
  expect(LeaderEpochs.read(disk, '')).toMatchObject({ whole: false, epochs: { latest: 2, latestStart: 10 } });
});

test('epochs that got no record do not pile up', () => {
  const disk = newDisk();
  const epochs = new LeaderEpochs();
  for (let epoch = 0; epoch < 500; epoch++) epochs.begin(leaderEpoch(epoch), offset(0), disk, '');
  expect(disk.readFile('leader-epochs')!.length).toBeLessThan(2_000);
  expect(LeaderEpochs.read(disk, '').epochs.latest).toBe(499);
});
