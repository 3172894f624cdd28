import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { deleteGroups } from './delete-groups.ts';

// Made by Kafka 4.4's DeleteGroupsRequestData and DeleteGroupsResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: { groupsNames: ['g1', 'g2'] },
    hex: '002a000000000007000474657374000000020002673100026732',
  },
  {
    kind: 'request',
    version: 2,
    value: { groupsNames: ['g1', 'g2'] },
    hex: '002a000200000007000474657374000303673103673200',
  },
  {
    kind: 'response',
    version: 0,
    value: {
      throttleTimeMs: 1,
      results: [
        { groupId: 'g1', errorCode: 0 },
        { groupId: 'g2', errorCode: 68 },
      ],
    },
    hex: '000000070000000100000002000267310000000267320044',
  },
  {
    kind: 'response',
    version: 2,
    value: {
      throttleTimeMs: 1,
      results: [
        { groupId: 'g1', errorCode: 0 },
        { groupId: 'g2', errorCode: 68 },
      ],
    },
    hex: '0000000700000000010303673100000003673200440000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(deleteGroups, frame)).toBe(frame.hex);
  expect(readHex(deleteGroups, frame)).toEqual(frame.value);
});
