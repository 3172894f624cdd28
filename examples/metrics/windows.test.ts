import { expect, test } from 'vitest';
import { MINUTE_MS, MinuteWindows } from './windows.ts';

const sample = (host: string, atMs: number, cpu = 10) => ({ host, atMs, cpu });

test('a minute is over ten seconds after its end, and told once', () => {
  const windows = new MinuteWindows();
  windows.add(sample('a', 0, 30), 0);
  windows.add(sample('a', 59_000, 50), 1);
  windows.add(sample('b', MINUTE_MS + 9_000), 2);
  expect(windows.takeOver()).toEqual([]);
  windows.add(sample('b', MINUTE_MS + 10_000), 3);
  expect(windows.takeOver()).toEqual([{ host: 'a', minuteMs: 0, samples: 2, cpuSum: 80, cpuMin: 30, cpuMax: 50 }]);
  expect(windows.takeOver()).toEqual([]);
});

test('whoever begins at the progress of another one makes the same aggregates, and none of a minute that is published', () => {
  const log = [
    sample('a', 0),
    sample('b', 1_000),
    sample('a', MINUTE_MS),
    sample('b', 59_000),
    sample('a', 71_000),
    sample('b', 72_000),
  ];
  const first = new MinuteWindows();
  log.forEach((one, offset) => first.add(one, offset));
  expect(first.takeOver().map(({ host }) => host)).toEqual(['a', 'b']);
  // Before the second sample of b's first minute, which is published.
  expect(first.progress).toEqual({ offset: 2, openFromMs: MINUTE_MS, readTo: 6 });
  const second = new MinuteWindows(first.progress);
  const rest = [...log, sample('a', 130_000), sample('b', 131_000)];
  rest.forEach((one, offset) => offset >= first.progress.offset && second.add(one, offset));
  expect([second.replayed, second.late]).toEqual([1, 0]);
  expect(second.takeOver()).toEqual([
    { host: 'a', minuteMs: MINUTE_MS, samples: 2, cpuSum: 20, cpuMin: 10, cpuMax: 10 },
    { host: 'b', minuteMs: MINUTE_MS, samples: 1, cpuSum: 10, cpuMin: 10, cpuMax: 10 },
  ]);
});

test('a sample that comes after its minute was published is late, and one that was read before is not', () => {
  const windows = new MinuteWindows({ offset: 4, openFromMs: MINUTE_MS, readTo: 6 });
  windows.add(sample('a', 30_000), 5);
  windows.add(sample('a', 31_000), 6);
  expect([windows.replayed, windows.late]).toEqual([1, 1]);
  expect(windows.progress).toEqual({ offset: 7, openFromMs: MINUTE_MS, readTo: 7 });
});
