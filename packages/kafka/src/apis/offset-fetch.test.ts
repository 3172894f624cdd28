import { expect, test } from 'vitest';
import { NO_UUID } from '../schema.ts';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { offsetFetch } from './offset-fetch.ts';

const TOPIC_ID = Buffer.from('324464688a88400ea27cabe655d94f36', 'hex');

// Made by Kafka 4.4's OffsetFetchRequestData and OffsetFetchResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 1,
    value: { groupId: 'g1', topics: [{ name: 't1', partitionIndexes: [0, 1] }], groups: [], requireStable: false },
    hex: '0009000100000007000474657374000267310000000100027431000000020000000000000001',
  },
  {
    kind: 'request',
    version: 7,
    value: { groupId: 'g1', topics: [{ name: 't1', partitionIndexes: [0, 1] }], groups: [], requireStable: true },
    hex: '00090007000000070004746573740003673102037431030000000000000001000100',
  },
  {
    kind: 'request',
    version: 8,
    value: {
      groupId: '',
      topics: [],
      groups: [
        {
          groupId: 'g1',
          memberId: null,
          memberEpoch: -1,
          topics: [{ name: 't1', topicId: NO_UUID, partitionIndexes: [0, 1] }],
        },
        { groupId: 'g2', memberId: null, memberEpoch: -1, topics: null },
      ],
      requireStable: true,
    },
    hex: '0009000800000007000474657374000303673102037431030000000000000001000003673200000100',
  },
  {
    kind: 'request',
    version: 10,
    value: {
      groupId: '',
      topics: [],
      groups: [
        {
          groupId: 'g1',
          memberId: 'm1',
          memberEpoch: 4,
          topics: [{ name: '', topicId: TOPIC_ID, partitionIndexes: [0, 1] }],
        },
        { groupId: 'g2', memberId: null, memberEpoch: -1, topics: null },
      ],
      requireStable: true,
    },
    hex: '0009000a000000070004746573740003036731036d310000000402324464688a88400ea27cabe655d94f36030000000000000001000003673200ffffffff00000100',
  },
  {
    kind: 'response',
    version: 1,
    value: {
      throttleTimeMs: 0,
      topics: [
        {
          name: 't1',
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: 4294967297,
              committedLeaderEpoch: -1,
              metadata: 'note',
              errorCode: 0,
            },
          ],
        },
      ],
      errorCode: 0,
      groups: [],
    },
    hex: '0000000700000001000274310000000100000000000000010000000100046e6f74650000',
  },
  {
    kind: 'response',
    version: 7,
    value: {
      throttleTimeMs: 1,
      topics: [
        {
          name: 't1',
          partitions: [
            { partitionIndex: 0, committedOffset: 4294967297, committedLeaderEpoch: 5, metadata: 'note', errorCode: 0 },
          ],
        },
      ],
      errorCode: 16,
      groups: [],
    },
    hex: '000000070000000001020374310200000000000000010000000100000005056e6f746500000000001000',
  },
  {
    kind: 'response',
    version: 8,
    value: {
      throttleTimeMs: 1,
      topics: [],
      errorCode: 0,
      groups: [
        {
          groupId: 'g1',
          topics: [
            {
              name: 't1',
              topicId: NO_UUID,
              partitions: [
                {
                  partitionIndex: 0,
                  committedOffset: 4294967297,
                  committedLeaderEpoch: 5,
                  metadata: 'note',
                  errorCode: 0,
                },
                { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: null, errorCode: 0 },
              ],
            },
          ],
          errorCode: 0,
        },
        { groupId: 'g2', topics: [], errorCode: 69 },
      ],
    },
    hex: '00000007000000000103036731020374310300000000000000010000000100000005056e6f746500000000000001ffffffffffffffffffffffff00000000000000000367320100450000',
  },
  {
    kind: 'response',
    version: 10,
    value: {
      throttleTimeMs: 1,
      topics: [],
      errorCode: 0,
      groups: [
        {
          groupId: 'g1',
          topics: [
            {
              name: '',
              topicId: TOPIC_ID,
              partitions: [
                {
                  partitionIndex: 0,
                  committedOffset: 4294967297,
                  committedLeaderEpoch: 5,
                  metadata: 'note',
                  errorCode: 0,
                },
                { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: null, errorCode: 0 },
              ],
            },
          ],
          errorCode: 0,
        },
        { groupId: 'g2', topics: [], errorCode: 69 },
      ],
    },
    hex: '0000000700000000010303673102324464688a88400ea27cabe655d94f360300000000000000010000000100000005056e6f746500000000000001ffffffffffffffffffffffff00000000000000000367320100450000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(offsetFetch, frame)).toBe(frame.hex);
  expect(readHex(offsetFetch, frame)).toEqual(frame.value);
});

test('all topics can be asked for from version 2 on', () => {
  const value = { groupId: 'g1', topics: null };
  const all = { kind: 'request', version: 2, value, hex: '000900020000000700047465737400026731ffffffff' } as const;
  expect(writtenHex(offsetFetch, all)).toBe(all.hex);
  expect(readHex(offsetFetch, all)).toMatchObject(value);
  const tooOld = { ...all, version: 1, hex: all.hex.replace('00090002', '00090001') };
  expect(() => readHex(offsetFetch, tooOld)).toThrow('an array is null where there has to be one');
  expect(writtenHex(offsetFetch, tooOld)).toBe(tooOld.hex.replace('ffffffff', '00000000'));
});
