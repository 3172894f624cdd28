import { expect, test } from 'vitest';
import { FRAME_LENGTH_BYTES, readRequest, requestFrame, responseFrame } from '../message.ts';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { joinGroup } from './join-group.ts';

// Made by Kafka 4.4's JoinGroupRequestData and JoinGroupResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: {
      groupId: 'g1',
      sessionTimeoutMs: 10000,
      rebalanceTimeoutMs: -1,
      memberId: 'm1',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [
        { name: 'range', metadata: Buffer.of(1, 2) },
        { name: 'sticky', metadata: Buffer.alloc(0) },
      ],
      reason: null,
    },
    hex: '000b000000000007000474657374000267310000271000026d310008636f6e73756d657200000002000572616e67650000000201020006737469636b7900000000',
  },
  {
    kind: 'request',
    version: 5,
    value: {
      groupId: 'g1',
      sessionTimeoutMs: 10000,
      rebalanceTimeoutMs: 60000,
      memberId: 'm1',
      groupInstanceId: 'i1',
      protocolType: 'consumer',
      protocols: [
        { name: 'range', metadata: Buffer.of(1, 2) },
        { name: 'sticky', metadata: Buffer.alloc(0) },
      ],
      reason: null,
    },
    hex: '000b00050000000700047465737400026731000027100000ea6000026d31000269310008636f6e73756d657200000002000572616e67650000000201020006737469636b7900000000',
  },
  {
    kind: 'request',
    version: 9,
    value: {
      groupId: 'g1',
      sessionTimeoutMs: 10000,
      rebalanceTimeoutMs: 60000,
      memberId: 'm1',
      groupInstanceId: 'i1',
      protocolType: 'consumer',
      protocols: [
        { name: 'range', metadata: Buffer.of(1, 2) },
        { name: 'sticky', metadata: Buffer.alloc(0) },
      ],
      reason: 'why',
    },
    hex: '000b00090000000700047465737400036731000027100000ea60036d3103693109636f6e73756d6572030672616e67650301020007737469636b7901000477687900',
  },
  {
    kind: 'response',
    version: 0,
    value: {
      throttleTimeMs: 0,
      errorCode: 0,
      generationId: 3,
      protocolType: null,
      protocolName: 'range',
      leader: 'm1',
      skipAssignment: false,
      memberId: 'm1',
      members: [
        { memberId: 'm1', groupInstanceId: null, metadata: Buffer.of(1, 2) },
        { memberId: 'm2', groupInstanceId: null, metadata: Buffer.alloc(0) },
      ],
    },
    hex: '00000007000000000003000572616e676500026d3100026d310000000200026d3100000002010200026d3200000000',
  },
  {
    kind: 'response',
    version: 5,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      generationId: 3,
      protocolType: null,
      protocolName: 'range',
      leader: 'm1',
      skipAssignment: false,
      memberId: 'm1',
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', metadata: Buffer.of(1, 2) },
        { memberId: 'm2', groupInstanceId: null, metadata: Buffer.alloc(0) },
      ],
    },
    hex: '0000000700000001000000000003000572616e676500026d3100026d310000000200026d310002693100000002010200026d32ffff00000000',
  },
  {
    kind: 'response',
    version: 9,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      generationId: 3,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: 'm1',
      skipAssignment: true,
      memberId: 'm1',
      members: [
        { memberId: 'm1', groupInstanceId: 'i1', metadata: Buffer.of(1, 2) },
        { memberId: 'm2', groupInstanceId: null, metadata: Buffer.alloc(0) },
      ],
    },
    hex: '00000007000000000100000000000309636f6e73756d65720672616e6765036d3101036d3103036d3103693103010200036d3200010000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(joinGroup, frame)).toBe(frame.hex);
  expect(readHex(joinGroup, frame)).toEqual(frame.value);
});

test('metadata is read as a view of the request', () => {
  const request = { groupId: 'g1', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer' };
  const header = { correlationId: 7, clientId: null };
  const protocols = [{ name: 'range', metadata: Buffer.of(1, 2, 3) }];
  const frame = Buffer.concat(requestFrame(joinGroup, 9, header, { ...request, protocols }));
  const [protocol] = readRequest(joinGroup, frame.subarray(FRAME_LENGTH_BYTES)).request.protocols;
  frame.fill(9);
  expect(protocol!.metadata).toEqual(Buffer.of(9, 9, 9));
});

test('much metadata goes out as it is, uncopied', () => {
  const metadata = Buffer.alloc(10_000);
  const members = [{ memberId: 'm1', metadata }];
  const response = { errorCode: 0, protocolName: 'range', leader: 'm1', memberId: 'm1', members };
  expect(responseFrame(joinGroup, 9, 7, response)).toContain(metadata);
});

test('before version 7 no protocol is an empty one, as its members expect it', () => {
  const response = { errorCode: 25, protocolName: null, leader: '', memberId: '', members: [] };
  const golden = { kind: 'response', version: 6, value: response, hex: '' } as const;
  expect(readHex(joinGroup, { ...golden, hex: writtenHex(joinGroup, golden) })).toMatchObject({ protocolName: '' });
  const newer = { ...golden, version: 7 };
  expect(readHex(joinGroup, { ...newer, hex: writtenHex(joinGroup, newer) })).toMatchObject({ protocolName: null });
});
