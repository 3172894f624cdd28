import { expect, test } from 'vitest';
import { parseStartAt, startAtProblem } from '@weir/client/group/start-at.ts';

test('a start is a name, an offset or a time', () => {
  expect(parseStartAt('earliest')).toEqual({ kind: 'earliest' });
  expect(parseStartAt('latest')).toEqual({ kind: 'latest' });
  expect(parseStartAt('42')).toEqual({ kind: 'offset', offset: 42 });
  expect(parseStartAt('@1700000000000')).toEqual({ kind: 'timestamp', timestampMs: 1_700_000_000_000 });
  expect(parseStartAt('@2026-01-31T12:00:00Z')).toEqual({ kind: 'timestamp', timestampMs: 1_769_860_800_000 });
});

test('everything else is refused with what there is', () => {
  for (const text of ['-1', '1.5', 'end', '@', '@yesterday', '@2026-13-01', '99999999999999999999', '@-5']) {
    expect(startAtProblem(text), text).toContain('earliest');
  }
});
