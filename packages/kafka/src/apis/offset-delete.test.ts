import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { offsetDelete } from './offset-delete.ts';

// Made by Kafka 4.4's OffsetDeleteRequestData and OffsetDeleteResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: { groupId: 'g1', topics: [{ name: 't1', partitions: [{ partitionIndex: 0 }, { partitionIndex: 1 }] }] },
    hex: '002f000000000007000474657374000267310000000100027431000000020000000000000001',
  },
  {
    kind: 'response',
    version: 0,
    value: {
      errorCode: 0,
      throttleTimeMs: 1,
      topics: [
        {
          name: 't1',
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 1, errorCode: 86 },
          ],
        },
      ],
    },
    hex: '00000007000000000001000000010002743100000002000000000000000000010056',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(offsetDelete, frame)).toBe(frame.hex);
  expect(readHex(offsetDelete, frame)).toEqual(frame.value);
});
