import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { leaveGroup } from './leave-group.ts';

// Made by Kafka 4.4's LeaveGroupRequestData and LeaveGroupResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: { groupId: 'g1', memberId: 'm1', members: [] },
    hex: '000d0000000000070004746573740002673100026d31',
  },
  {
    kind: 'request',
    version: 3,
    value: {
      groupId: 'g1',
      memberId: '',
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', reason: null },
        { memberId: '', groupInstanceId: 'i2', reason: null },
      ],
    },
    hex: '000d000300000007000474657374000267310000000200026d3100026931000000026932',
  },
  {
    kind: 'request',
    version: 5,
    value: {
      groupId: 'g1',
      memberId: '',
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', reason: 'why' },
        { memberId: '', groupInstanceId: 'i2', reason: null },
      ],
    },
    hex: '000d0005000000070004746573740003673103036d31036931047768790001036932000000',
  },
  { kind: 'response', version: 0, value: { throttleTimeMs: 0, errorCode: 0, members: [] }, hex: '000000070000' },
  {
    kind: 'response',
    version: 3,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', errorCode: 0 },
        { memberId: '', groupInstanceId: 'i2', errorCode: 25 },
      ],
    },
    hex: '000000070000000100000000000200026d310002693100000000000269320019',
  },
  {
    kind: 'response',
    version: 5,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', errorCode: 0 },
        { memberId: '', groupInstanceId: 'i2', errorCode: 25 },
      ],
    },
    hex: '000000070000000001000003036d310369310000000103693200190000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(leaveGroup, frame)).toBe(frame.hex);
  expect(readHex(leaveGroup, frame)).toEqual(frame.value);
});
