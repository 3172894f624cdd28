import { expect, test } from 'vitest';
import { SyncLane } from './sync-lane.ts';

/** A lane, and so many syncs that want into it; each is back when it is told. */
function laneOf(count: number) {
  const lane = new SyncLane();
  const begun: number[] = [];
  const back: (() => void)[] = [];
  const begins = Array.from({ length: count }, (_, i) => (done: () => void) => {
    begun.push(i);
    back[i] = done;
  });
  for (const begin of begins) lane.want(begin);
  return { lane, begins, begun, back };
}

test('syncs go one after the other, in the order in which they were wanted', () => {
  const { begun, back } = laneOf(3);
  expect(begun).toEqual([0]);
  back[0]!();
  expect(begun).toEqual([0, 1]);
  back[1]!();
  expect(begun).toEqual([0, 1, 2]);
});

test('one that is wanted again while it waits begins once, and one that is taken back does not begin', () => {
  const { lane, begins, begun, back } = laneOf(3);
  lane.want(begins[2]!);
  lane.forget(begins[1]!);
  back[0]!();
  back[2]!();
  expect(begun).toEqual([0, 2]);
});

test('where many wait several go at a time', () => {
  const { begun, back } = laneOf(200);
  expect(begun.length).toBeGreaterThan(1);
  expect(begun.length).toBeLessThan(30);
  for (let i = 0; i < 200; i++) back[i]!();
  expect(begun).toEqual(Array.from({ length: 200 }, (_, i) => i));
});

test('a sync that is back at once lets the next one begin', () => {
  const lane = new SyncLane();
  let begun = 0;
  for (let i = 0; i < 3; i++) {
    lane.want((done) => {
      begun++;
      done();
    });
  }
  expect(begun).toBe(3);
});
