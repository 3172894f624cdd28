import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { syncGroup } from './sync-group.ts';

// Made by Kafka 4.4's SyncGroupRequestData and SyncGroupResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: {
      groupId: 'g1',
      generationId: 3,
      memberId: 'm1',
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: [
        { memberId: 'm1', assignment: Buffer.of(1, 2) },
        { memberId: 'm2', assignment: Buffer.alloc(0) },
      ],
    },
    hex: '000e000000000007000474657374000267310000000300026d310000000200026d3100000002010200026d3200000000',
  },
  {
    kind: 'request',
    version: 3,
    value: {
      groupId: 'g1',
      generationId: 3,
      memberId: 'm1',
      groupInstanceId: 'i1',
      protocolType: null,
      protocolName: null,
      assignments: [
        { memberId: 'm1', assignment: Buffer.of(1, 2) },
        { memberId: 'm2', assignment: Buffer.alloc(0) },
      ],
    },
    hex: '000e000300000007000474657374000267310000000300026d31000269310000000200026d3100000002010200026d3200000000',
  },
  {
    kind: 'request',
    version: 5,
    value: {
      groupId: 'g1',
      generationId: 3,
      memberId: 'm1',
      groupInstanceId: 'i1',
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [
        { memberId: 'm1', assignment: Buffer.of(1, 2) },
        { memberId: 'm2', assignment: Buffer.alloc(0) },
      ],
    },
    hex: '000e0005000000070004746573740003673100000003036d3103693109636f6e73756d65720672616e676503036d3103010200036d32010000',
  },
  {
    kind: 'response',
    version: 0,
    value: { throttleTimeMs: 0, errorCode: 0, protocolType: null, protocolName: null, assignment: Buffer.of(1, 2) },
    hex: '000000070000000000020102',
  },
  {
    kind: 'response',
    version: 3,
    value: { throttleTimeMs: 1, errorCode: 0, protocolType: null, protocolName: null, assignment: Buffer.of(1, 2) },
    hex: '00000007000000010000000000020102',
  },
  {
    kind: 'response',
    version: 5,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: Buffer.of(1, 2),
    },
    hex: '000000070000000001000009636f6e73756d65720672616e676503010200',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(syncGroup, frame)).toBe(frame.hex);
  expect(readHex(syncGroup, frame)).toEqual(frame.value);
});

test.each([
  { version: 0, hex: '000000070000ffffffff' },
  { version: 4, hex: '00000007000000000000000000' },
])('an assignment of null in v$version is refused', ({ version, hex }) => {
  const frame = { kind: 'response', version, value: undefined, hex } as const;
  expect(() => readHex(syncGroup, frame)).toThrow('a field of bytes is null where there has to be one');
});
