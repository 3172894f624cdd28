import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { heartbeat } from './heartbeat.ts';

// Made by Kafka 4.4's HeartbeatRequestData and HeartbeatResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: { groupId: 'g1', generationId: 3, memberId: 'm1', groupInstanceId: null },
    hex: '000c000000000007000474657374000267310000000300026d31',
  },
  {
    kind: 'request',
    version: 4,
    value: { groupId: 'g1', generationId: 3, memberId: 'm1', groupInstanceId: 'i1' },
    hex: '000c0004000000070004746573740003673100000003036d3103693100',
  },
  { kind: 'response', version: 0, value: { throttleTimeMs: 0, errorCode: 27 }, hex: '00000007001b' },
  { kind: 'response', version: 4, value: { throttleTimeMs: 1, errorCode: 27 }, hex: '000000070000000001001b00' },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(heartbeat, frame)).toBe(frame.hex);
  expect(readHex(heartbeat, frame)).toEqual(frame.value);
});
