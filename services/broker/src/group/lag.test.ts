import fc from 'fast-check';
import { GROUP_LAG_AT_LEAST_MS, GROUP_LAG_SAMPLES_MAX } from '@weir/base/group-limits.ts';
import { expect, test } from 'vitest';
import { lagOf, lagRecords } from './lag.ts';
import { WatermarkHistory } from './watermark-history.ts';

/** A history of [milliseconds, high watermark], and the log's start. */
function historyOf(samples: readonly (readonly [number, number])[], logStart = 0): WatermarkHistory {
  const history = new WatermarkHistory();
  for (const [ms, highWatermark] of samples) history.add(ms, { highWatermark, logStart });
  return history;
}

test('the lag is what lies between the committed offset and the high watermark', () => {
  expect(lagRecords({ committed: 40, logStart: 0, highWatermark: 100 })).toBe(60);
  expect(lagRecords({ committed: 100, logStart: 0, highWatermark: 100 })).toBe(0);
});

test('records that were deleted before they were read are not waited for', () => {
  expect(lagRecords({ committed: 10, logStart: 70, highWatermark: 100 })).toBe(30);
  expect(lagRecords({ committed: 10, logStart: 100, highWatermark: 100 })).toBe(0);
});

test('a group that is ahead of the log does not lag, in records or in time', () => {
  const progress = { committed: 200, logStart: 0, highWatermark: 100 };
  expect(lagOf(progress, historyOf([[0, 100]]), 5_000)).toEqual({ records: 0, ms: 0 });
});

test('the lag in time is as old as the record that is next, as if records had come evenly', () => {
  const history = historyOf([
    [0, 0],
    [1_000, 10],
    [2_000, 110],
  ]);
  const at = (committed: number): number | undefined =>
    lagOf({ committed, logStart: 0, highWatermark: 110 }, history, 3_000).ms;
  // The record at 4 came when half of ten were there.
  expect(at(4)).toBe(2_500);
  expect(at(9)).toBe(2_000);
  expect(at(59)).toBe(1_500);
  expect(at(109)).toBe(1_000);
  expect(at(110)).toBe(0);
});

test('after a quiet time a record is as old as its own coming, not as the quiet', () => {
  const history = historyOf([
    [0, 50],
    [1_000, 100],
    [2_000, 100],
    [3_600_000, 100],
    [3_605_000, 200],
  ]);
  expect(history.size).toBe(4);
  expect(history.committedAt(99)).toEqual({ kind: 'at', ms: 1_000 });
  expect(history.committedAt(149)).toEqual({ kind: 'at', ms: 3_602_500 });
});

test('of a record that was there before anybody looked nothing is said, until it has waited for long under their eyes', () => {
  const history = historyOf([[1_000, 100]]);
  const progress = { committed: 20, logStart: 0, highWatermark: 100 };
  expect(lagOf(progress, history, 2_000)).toEqual({ records: 80, ms: undefined });
  const late = 1_000 + GROUP_LAG_AT_LEAST_MS;
  history.add(late, { highWatermark: 100, logStart: 0 });
  expect(lagOf(progress, history, late)).toEqual({ records: 80, ms: GROUP_LAG_AT_LEAST_MS });
});

test('without samples no time is told', () => {
  const progress = { committed: 20, logStart: 0, highWatermark: 100 };
  expect(lagOf(progress, new WatermarkHistory(), 1e9)).toEqual({ records: 80, ms: undefined });
});

test('samples of records that are gone are forgotten, but for the one that the next ones are measured from', () => {
  const history = historyOf([
    [0, 10],
    [1_000, 20],
    [2_000, 30],
  ]);
  history.add(3_000, { highWatermark: 40, logStart: 25 });
  expect(history.size).toBe(3);
  expect(history.committedAt(29)).toEqual({ kind: 'at', ms: 2_000 });
});

test('where the high watermark has fallen, what lay above it comes anew', () => {
  const history = historyOf([
    [0, 10],
    [1_000, 100],
    [2_000, 50],
    [3_000, 60],
  ]);
  expect(history.committedAt(20)).toEqual({ kind: 'at', ms: 550 });
  expect(history.committedAt(54)).toEqual({ kind: 'at', ms: 2_500 });
  expect(history.committedAt(60)).toBeUndefined();
});

/** A partition over time: after so many milliseconds, so many records more. */
const growth = fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 1_000 })), {
  minLength: 1,
  maxLength: 300,
});

function seen(steps: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  let [ms, highWatermark] = [0, 0];
  return steps.map(([wait, records]) => [(ms += wait), (highWatermark += records)] as const);
}

/** Between which times a record came that the first sample with it is this one of. */
function boundsOf(samples: readonly (readonly [number, number])[], first: number) {
  const to = samples[first]![0];
  return first === 0 ? { kind: 'before', from: to, to } : { kind: 'at', from: samples[first - 1]![0], to };
}

test('a record is told to have come after a sample without it and before one with it, and none earlier than one before', () => {
  fc.assert(
    fc.property(growth, (steps) => {
      const samples = seen(steps);
      const history = historyOf(samples);
      expect(history.size).toBeLessThanOrEqual(GROUP_LAG_SAMPLES_MAX);
      const isWhole = samples.length <= GROUP_LAG_SAMPLES_MAX;
      const end = samples.at(-1)![1];
      let last = Number.NEGATIVE_INFINITY;
      for (let offset = 0; offset < end; offset += Math.max(1, Math.floor(end / 50))) {
        const told = history.committedAt(offset)!;
        expect(told.ms).toBeGreaterThanOrEqual(last);
        last = told.ms;
        const first = samples.findIndex(([, highWatermark]) => highWatermark > offset);
        const bounds = isWhole ? boundsOf(samples, first) : { kind: told.kind, from: 0, to: samples.at(-1)![0] };
        expect(told.kind).toBe(bounds.kind);
        expect(told.ms).toBeLessThanOrEqual(bounds.to);
        expect(told.ms).toBeGreaterThanOrEqual(bounds.from);
      }
      expect(history.committedAt(end)).toBeUndefined();
    }),
  );
});

test('a day of samples, five seconds apart, tells the age of each record to a fifth of it', () => {
  const history = new WatermarkHistory();
  const everyMs = 5_000;
  const count = (24 * 3_600_000) / everyMs;
  // Each sample has one record more than the one before it: the n-th came with the n-th sample. Bursts make it uneven.
  const came: number[] = [];
  for (let n = 0; n <= count; n++) {
    const burst = n % 700 === 0 ? 500 : 1;
    for (let i = 0; i < burst; i++) came.push(n * everyMs);
    history.add(n * everyMs, { highWatermark: came.length, logStart: 0 });
  }
  const nowMs = count * everyMs;
  expect(history.size).toBe(GROUP_LAG_SAMPLES_MAX);
  for (let offset = 0; offset < came.length; offset += 97) {
    const ageMs = nowMs - came[offset]!;
    const told = nowMs - history.committedAt(offset)!.ms;
    expect(Math.abs(told - ageMs)).toBeLessThanOrEqual(everyMs + ageMs * 0.2);
  }
});

test('a lag is never below nothing, and there is none in time where there is none in records', () => {
  const offset = fc.integer({ min: 0, max: 300_000 });
  fc.assert(
    fc.property(growth, offset, offset, (steps, committed, start) => {
      const samples = seen(steps);
      const [lastMs, highWatermark] = samples.at(-1)!;
      const logStart = Math.min(start, highWatermark);
      const { records, ms } = lagOf({ committed, logStart, highWatermark }, historyOf(samples, logStart), lastMs + 10);
      expect(records).toBeGreaterThanOrEqual(0);
      expect(records).toBeLessThanOrEqual(highWatermark - logStart);
      expect(records > 0 || ms === 0).toBe(true);
      expect(records === 0 || ms === undefined || ms >= 10).toBe(true);
    }),
  );
});
