import { expect, test } from 'vitest';
import type { Disk, DiskSpace } from '@weir/base/disk.ts';
import { DISK_RESERVE_BYTES_MAX, DISK_RESERVE_BYTES_MIN } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { DiskRoom } from './disk-room.ts';
import { TestClock } from './test-broker.ts';

const MIB = 1024 ** 2;

function roomOn(space: DiskSpace): { room: DiskRoom; changes: boolean[]; set: (freeBytes: number) => void } {
  let now = space;
  const disk: Disk = Object.assign(new SimulatedDisk(seededRandom(1)), { space: () => now });
  const room = new DiskRoom(disk, new TestClock());
  const changes: boolean[] = [];
  room.onChange = (full) => changes.push(full);
  room.look();
  return { room, changes, set: (freeBytes) => (now = { ...now, freeBytes }) };
}

test('batches are refused while there is still room for what was taken, and taken again when there is more', () => {
  const { room, changes, set } = roomOn({ freeBytes: 8 * MIB, totalBytes: 16 * MIB });
  expect(room.reserveBytes).toBe(DISK_RESERVE_BYTES_MIN);
  expect(room.problem(1 * MIB)).toBeUndefined();
  set(DISK_RESERVE_BYTES_MIN + 100);
  room.look();
  expect(room.problem(10)).toBeUndefined();
  expect(room.problem(1_000)).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' });
  expect(room.problem(1_000)?.message).toContain('nearly full: 2.0 MiB are free, of which 2.0 MiB are kept back');
  set(8 * MIB);
  room.look();
  expect(room.problem(1_000)).toBeUndefined();
  expect(changes).toEqual([true, false]);
});

test('what is taken between two looks counts, twice: in the journal and in the log', () => {
  const { room } = roomOn({ freeBytes: DISK_RESERVE_BYTES_MIN + 1 * MIB, totalBytes: 16 * MIB });
  room.took(0.4 * MIB);
  expect(room.problem(0.05 * MIB)).toBeUndefined();
  expect(room.problem(0.2 * MIB)).toBeDefined();
});

test('on a large disk the reserve has an upper bound', () => {
  const { room } = roomOn({ freeBytes: 1e13, totalBytes: 1e13 });
  expect(room.reserveBytes).toBe(DISK_RESERVE_BYTES_MAX);
});
