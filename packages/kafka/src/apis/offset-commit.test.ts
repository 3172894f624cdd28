import { expect, test } from 'vitest';
import { NO_UUID } from '../schema.ts';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { offsetCommit } from './offset-commit.ts';

const TOPIC_ID = Buffer.from('324464688a88400ea27cabe655d94f36', 'hex');

// Made by Kafka 4.4's OffsetCommitRequestData and OffsetCommitResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 2,
    value: {
      groupId: 'g1',
      generationIdOrMemberEpoch: 3,
      memberId: 'm1',
      groupInstanceId: null,
      retentionTimeMs: 5000,
      topics: [
        {
          name: 't1',
          topicId: NO_UUID,
          partitions: [
            { partitionIndex: 0, committedOffset: 4294967297, committedLeaderEpoch: -1, committedMetadata: 'note' },
            { partitionIndex: 1, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: null },
          ],
        },
      ],
    },
    hex: '0008000200000007000474657374000267310000000300026d31000000000000138800000001000274310000000200000000000000010000000100046e6f7465000000010000000000000000ffff',
  },
  {
    kind: 'request',
    version: 7,
    value: {
      groupId: 'g1',
      generationIdOrMemberEpoch: 3,
      memberId: 'm1',
      groupInstanceId: 'i1',
      retentionTimeMs: -1,
      topics: [
        {
          name: 't1',
          topicId: NO_UUID,
          partitions: [
            { partitionIndex: 0, committedOffset: 4294967297, committedLeaderEpoch: 5, committedMetadata: 'note' },
            { partitionIndex: 1, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: null },
          ],
        },
      ],
    },
    hex: '0008000700000007000474657374000267310000000300026d31000269310000000100027431000000020000000000000001000000010000000500046e6f7465000000010000000000000000ffffffffffff',
  },
  {
    kind: 'request',
    version: 10,
    value: {
      groupId: 'g1',
      generationIdOrMemberEpoch: 3,
      memberId: 'm1',
      groupInstanceId: 'i1',
      retentionTimeMs: -1,
      topics: [
        {
          name: '',
          topicId: TOPIC_ID,
          partitions: [
            { partitionIndex: 0, committedOffset: 4294967297, committedLeaderEpoch: 5, committedMetadata: 'note' },
            { partitionIndex: 1, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: null },
          ],
        },
      ],
    },
    hex: '0008000a000000070004746573740003673100000003036d3103693102324464688a88400ea27cabe655d94f360300000000000000010000000100000005056e6f746500000000010000000000000000ffffffff00000000',
  },
  {
    kind: 'response',
    version: 2,
    value: {
      throttleTimeMs: 0,
      topics: [
        {
          name: 't1',
          topicId: NO_UUID,
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 1, errorCode: 12 },
          ],
        },
      ],
    },
    hex: '0000000700000001000274310000000200000000000000000001000c',
  },
  {
    kind: 'response',
    version: 7,
    value: {
      throttleTimeMs: 1,
      topics: [
        {
          name: 't1',
          topicId: NO_UUID,
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 1, errorCode: 12 },
          ],
        },
      ],
    },
    hex: '000000070000000100000001000274310000000200000000000000000001000c',
  },
  {
    kind: 'response',
    version: 10,
    value: {
      throttleTimeMs: 1,
      topics: [
        {
          name: '',
          topicId: TOPIC_ID,
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 1, errorCode: 12 },
          ],
        },
      ],
    },
    hex: '00000007000000000102324464688a88400ea27cabe655d94f36030000000000000000000001000c000000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(offsetCommit, frame)).toBe(frame.hex);
  expect(readHex(offsetCommit, frame)).toEqual(frame.value);
});
