import { expect, test } from 'vitest';
import {
  CATCH_UP_BYTES_PER_SECOND,
  CATCH_UP_LOADED_BYTES_PER_SECOND,
  CATCH_UP_SLICE_MS,
  LOADED_BYTES_PER_SECOND,
  LOAD_LOOK_MS,
} from '@weir/base/limits.ts';
import { CatchUpThrottle } from './catch-up-throttle.ts';

const FRAME_BYTES = 512 * 1024;

/** What is sent within some seconds, a frame whenever the throttle lets one through, while producers write so much. */
function sentIn(seconds: number, writtenPerSecond: number): number {
  let nowMs = 1_000;
  const throttle = new CatchUpThrottle(() => (writtenPerSecond * nowMs) / 1_000);
  let sent = 0;
  const untilMs = nowMs + seconds * 1_000;
  while (nowMs < untilMs) {
    const waitMs = throttle.waitMs(nowMs);
    if (waitMs > 0) {
      nowMs += waitMs;
    } else {
      throttle.spend(FRAME_BYTES);
      sent += FRAME_BYTES;
    }
  }
  return sent / seconds;
}

test('without other load replicas that are behind get nearly all there is, and little beside writers', () => {
  expect(sentIn(10, 0) / CATCH_UP_BYTES_PER_SECOND).toBeCloseTo(1, 1);
  expect(sentIn(10, 2 * LOADED_BYTES_PER_SECOND) / CATCH_UP_LOADED_BYTES_PER_SECOND).toBeCloseTo(1, 1);
});

test('it is felt within a moment that writers come and go', () => {
  let written = 0;
  const throttle = new CatchUpThrottle(() => written);
  let nowMs = 10_000;
  throttle.waitMs(nowMs);
  nowMs += LOAD_LOOK_MS;
  written += LOADED_BYTES_PER_SECOND;
  throttle.waitMs(nowMs);
  throttle.spend(CATCH_UP_LOADED_BYTES_PER_SECOND);
  expect(throttle.waitMs(nowMs)).toBe(1_000);
  nowMs += LOAD_LOOK_MS;
  expect(throttle.waitMs(nowMs)).toBeLessThan(1_000 * (CATCH_UP_LOADED_BYTES_PER_SECOND / CATCH_UP_BYTES_PER_SECOND));
});

test('what goes in one go takes no longer than a slice of time, and what was not sent after all is given back', () => {
  let written = 0;
  const throttle = new CatchUpThrottle(() => written);
  let nowMs = 10_000;
  for (const perLook of [0, LOADED_BYTES_PER_SECOND]) {
    written += perLook;
    nowMs += LOAD_LOOK_MS;
    throttle.waitMs(nowMs);
    throttle.spend(throttle.sliceBytes);
    expect(throttle.waitMs(nowMs)).toBeCloseTo(CATCH_UP_SLICE_MS);
    throttle.spend(-throttle.sliceBytes);
    expect(throttle.waitMs(nowMs)).toBe(0);
  }
});
