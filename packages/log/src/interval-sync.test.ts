import { expect, test } from 'vitest';
import { FLUSH_INTERVAL_MS } from '@weir/base/limits.ts';
import { IntervalSync } from './interval-sync.ts';
import { SyncLane } from './sync-lane.ts';
import { ManualClock } from './test-kit.ts';

const MIB = 1024 * 1024;

/** Two logs in one lane; what begins is noted. */
function twoLogs(flush: 'interval' | 'commit' = 'interval') {
  const clock = new ManualClock();
  const lane = new SyncLane();
  const config = { flush, flushIntervalBytes: 64 * MIB };
  const begun: string[] = [];
  const logOf = (name: string) =>
    new IntervalSync({ clock, config, files: { syncs: lane } }, () => begun.push(name) > 0);
  return { clock, begun, first: logOf('first'), second: logOf('second') };
}

test('what is little is synced within FLUSH_INTERVAL_MS, once, and what is much at once', () => {
  const { clock, begun, first } = twoLogs();
  first.unsynced(100);
  first.unsynced(200);
  expect(begun).toEqual([]);
  clock.advance(FLUSH_INTERVAL_MS - 1);
  expect(begun).toEqual(['first']);
  first.back();
  clock.advance(2 * FLUSH_INTERVAL_MS);
  expect(begun).toEqual(['first']);
  first.unsynced(8 * MIB);
  expect(begun).toEqual(['first', 'first']);
});

test('logs that fill alike are synced one after the other', () => {
  const { begun, first, second } = twoLogs();
  for (const log of [first, second]) log.unsynced(8 * MIB);
  expect(begun).toEqual(['first']);
  first.back();
  expect(begun).toEqual(['first', 'second']);
});

test('one that is cancelled begins no more, and lets go of its turn when its sync is back', () => {
  const { clock, begun, first, second } = twoLogs();
  for (const log of [first, second]) log.unsynced(8 * MIB);
  first.cancel();
  first.back();
  expect(begun).toEqual(['first', 'second']);
  second.back();
  first.unsynced(100);
  first.cancel();
  clock.advance(2 * FLUSH_INTERVAL_MS);
  expect(begun).toEqual(['first', 'second']);
});

test('with flush=commit it wants no syncs', () => {
  const { clock, begun, first } = twoLogs('commit');
  first.unsynced(8 * MIB);
  clock.advance(2 * FLUSH_INTERVAL_MS);
  expect(begun).toEqual([]);
});
