import { expect, test } from 'vitest';
import { consumerProtocolAssignment, consumerProtocolSubscription } from './consumer-protocol.ts';
import { RecordError } from './record-format.ts';

const NEWEST = {
  topics: ['t1', 't2'],
  userData: Buffer.of(1, 2),
  ownedPartitions: [{ topic: 't1', partitions: [0, 1] }],
  generationId: 3,
  rackId: 'r1',
};
const OLDEST = { ...NEWEST, ownedPartitions: [], generationId: -1, rackId: null };

// Made by Kafka 4.4's ConsumerProtocolSubscription.
test.each([
  { version: 0, value: OLDEST, hex: '0000000000020002743100027432000000020102' },
  {
    version: 1,
    value: { ...OLDEST, ownedPartitions: NEWEST.ownedPartitions },
    hex: '00010000000200027431000274320000000201020000000100027431000000020000000000000001',
  },
  {
    version: 2,
    value: { ...NEWEST, rackId: null },
    hex: '0002000000020002743100027432000000020102000000010002743100000002000000000000000100000003',
  },
  {
    version: 3,
    value: NEWEST,
    hex: '000300000002000274310002743200000002010200000001000274310000000200000000000000010000000300027231',
  },
  { version: 3, value: { ...OLDEST, topics: [], userData: null }, hex: '000300000000ffffffff00000000ffffffffffff' },
])('a subscription of v$version is, byte for byte, what Kafka makes of it', ({ version, value, hex }) => {
  expect(consumerProtocolSubscription.encode(value, version).toString('hex')).toBe(hex);
  expect(consumerProtocolSubscription.decode(Buffer.from(hex, 'hex'))).toEqual({ version, value });
});

const ASSIGNED = {
  assignedPartitions: [
    { topic: 't1', partitions: [0, 1] },
    { topic: 't2', partitions: [] },
  ],
  userData: Buffer.of(1, 2),
};

// Made by Kafka 4.4's ConsumerProtocolAssignment: all its versions are the same.
test.each([
  { value: ASSIGNED, hex: '00000002000274310000000200000000000000010002743200000000000000020102' },
  { value: { assignedPartitions: [], userData: null }, hex: '00000000ffffffff' },
])('an assignment of each version is, byte for byte, what Kafka makes of it', ({ value, hex }) => {
  for (const version of [0, 1, 2, 3]) {
    const whole = `000${version}${hex}`;
    expect(consumerProtocolAssignment.encode(value, version).toString('hex')).toBe(whole);
    expect(consumerProtocolAssignment.decode(Buffer.from(whole, 'hex'))).toEqual({ version, value });
  }
});

test('without a version the last one is written, as Kafka does', () => {
  expect(consumerProtocolSubscription.encode(NEWEST).readInt16BE(0)).toBe(3);
  expect(consumerProtocolAssignment.encode(ASSIGNED).readInt16BE(0)).toBe(3);
});

// What ConsumerProtocol.deserializeConsumerProtocolSubscription of Kafka 4.4 does with the same bytes.
test('a newer version is read as the last one, and what follows is passed over', () => {
  const newer = Buffer.from('000900000001000161ffffffff00000000ffffffffffff0102', 'hex');
  const value = { topics: ['a'], userData: null, ownedPartitions: [], generationId: -1, rackId: null };
  expect(consumerProtocolSubscription.decode(newer)).toEqual({ version: 9, value });
  const longer = Buffer.from('000000000001000161ffffffff99', 'hex');
  expect(consumerProtocolSubscription.decode(longer)).toEqual({ version: 0, value });
});

test.each([
  ['ffff00000001000161ffffffff', 'unknown-version'],
  ['000100000001000161ffffffff', 'malformed'],
  ['0003', 'malformed'],
  ['00', 'malformed'],
])('a subscription that Kafka refuses is refused: %s', (hex, fault) => {
  expect(() => consumerProtocolSubscription.decode(Buffer.from(hex, 'hex'))).toThrow(
    expect.objectContaining({ name: 'RecordError', fault }),
  );
  expect(() => consumerProtocolSubscription.decode(Buffer.from(hex, 'hex'))).toThrow(RecordError);
});
