import { expect, test } from 'vitest';
import { NO_UUID } from '../schema.ts';
import { offsetCommitValue } from './offset-commit-value.ts';

const TOPIC_ID = Buffer.from('324464688a88400ea27cabe655d94f36', 'hex');
const OLDEST = {
  offset: 4_294_967_297,
  leaderEpoch: -1,
  metadata: 'note',
  commitTimestamp: 1_700_000_000_000,
  expireTimestamp: -1,
  topicId: NO_UUID,
};
const NEWEST = { ...OLDEST, leaderEpoch: 7 };

// Made by Kafka 4.4's OffsetCommitValue.
test.each([
  { version: 0, value: OLDEST, hex: '0000000000010000000100046e6f74650000018bcfe56800' },
  {
    version: 1,
    value: { ...OLDEST, expireTimestamp: 1_800_000_000_000 },
    hex: '0001000000010000000100046e6f74650000018bcfe56800000001a3185c5000',
  },
  { version: 2, value: OLDEST, hex: '0002000000010000000100046e6f74650000018bcfe56800' },
  { version: 3, value: NEWEST, hex: '000300000001000000010000000700046e6f74650000018bcfe56800' },
  { version: 4, value: NEWEST, hex: '0004000000010000000100000007056e6f74650000018bcfe5680000' },
  {
    version: 4,
    value: { ...NEWEST, topicId: TOPIC_ID },
    hex: '0004000000010000000100000007056e6f74650000018bcfe56800010010324464688a88400ea27cabe655d94f36',
  },
])('an offset of v$version is, byte for byte, what Kafka stores', ({ version, value, hex }) => {
  expect(offsetCommitValue.encode(value, version).toString('hex')).toBe(hex);
  expect(offsetCommitValue.decode(Buffer.from(hex, 'hex'))).toEqual({ version, value });
});

test('without a version the one is written that Kafka 4.4 writes', () => {
  const commit = { offset: 100, leaderEpoch: 7, metadata: 'm', commitTimestamp: 1_700_000_000_000 };
  // Made by its GroupCoordinatorRecordHelpers.newOffsetCommitRecord.
  const hex = '0004000000000000006400000007026d0000018bcfe5680000';
  expect(offsetCommitValue.encode(commit).toString('hex')).toBe(hex);
});
