import { expect, test } from 'vitest';
import { revisionJson, revisionOf, revisionText } from './revision-text.ts';

test('a revision is a number, and of a log with the epoch in front; both are read again', () => {
  for (const log of [undefined, { leaderEpoch: 0 }, { leaderEpoch: 999_999_999 }]) {
    const options = log === undefined ? {} : { fromEpoch: log.leaderEpoch };
    expect(revisionOf(revisionText(17, log))).toEqual({ revision: 17, options });
  }
});

test.each(['', '-', '-1', '1-', '-1-2', '1-2-3', '0x1', '1.5', '2147483648-1', '1234567890123456'])(
  '%j is none',
  (text) => {
    expect(revisionOf(text)).toBeUndefined();
  },
);

test('as JSON it says what it is of, and a reset only where there is one', () => {
  expect(revisionJson(3, undefined)).toEqual({ revision: 3 });
  expect(revisionJson(3, { leaderEpoch: 1 })).toEqual({ revision: 3, leader_epoch: 1 });
  const log = { leaderEpoch: 1, partition: 7 };
  expect(revisionJson(3, { ...log, reset: false })).toEqual({ revision: 3, leader_epoch: 1, partition: 7 });
  expect(revisionJson(3, { ...log, reset: true })).toEqual({ revision: 3, leader_epoch: 1, partition: 7, reset: true });
});
