import { describe, expect, it } from 'vitest';
import { Acknowledgements } from './acknowledgements.ts';

const ALL = { fromMs: 0, toMs: Number.POSITIVE_INFINITY };

function acknowledged(...times: readonly (readonly [sentMs: number, ackedMs: number])[]): Acknowledgements {
  const acknowledgements = new Acknowledgements();
  for (const [sentMs, ackedMs] of times) acknowledgements.add(sentMs, ackedMs);
  return acknowledgements;
}

describe('acknowledgements', () => {
  it('have their longest gap between two of them, also where it began before the stretch', () => {
    const times = acknowledged([0, 10], [5, 12], [6, 112], [100, 115]);
    expect(times.longestGapMs(ALL)).toBe(100);
    expect(times.longestGapMs({ fromMs: 50, toMs: 112 })).toBe(100);
    expect(times.longestGapMs({ fromMs: 113, toMs: 200 })).toBe(3);
  });

  it('have the latency of what was sent within the stretch', () => {
    const quiet = Array.from({ length: 100 }, (_, i) => [i, i + 1] as const);
    const slow = Array.from({ length: 100 }, (_, i) => [100 + i, 150 + i] as const);
    const times = acknowledged(...quiet, ...slow);
    expect(times.p99Ms({ fromMs: 0, toMs: 99 })).toBe(1);
    expect(times.p99Ms({ fromMs: 100, toMs: 199 })).toBe(50);
    expect(times.p99Ms({ fromMs: 2, toMs: 100 })).toBe(50);
    expect(times.p99Ms({ fromMs: 1, toMs: 100 })).toBe(50);
    expect(times.p99Ms({ fromMs: 0, toMs: 98 })).toBe(1);
  });

  it('are no figure where there are none', () => {
    expect(acknowledged().longestGapMs(ALL)).toBeNaN();
    expect(acknowledged([0, 1]).longestGapMs(ALL)).toBeNaN();
    expect(acknowledged([0, 1]).p99Ms({ fromMs: 2, toMs: 3 })).toBeNaN();
  });
});
