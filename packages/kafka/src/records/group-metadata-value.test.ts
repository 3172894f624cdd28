import { expect, test } from 'vitest';
import { groupMetadataValue } from './group-metadata-value.ts';

const FIRST = {
  memberId: 'm1',
  groupInstanceId: 'i1',
  clientId: 'c',
  clientHost: '/127.0.0.1',
  rebalanceTimeout: 60_000,
  sessionTimeout: 10_000,
  subscription: Buffer.of(1, 2, 3),
  assignment: Buffer.of(4),
};
const SECOND = {
  memberId: 'm2',
  groupInstanceId: null,
  clientId: 'c',
  clientHost: '/::1',
  rebalanceTimeout: 300_000,
  sessionTimeout: 45_000,
  subscription: Buffer.alloc(0),
  assignment: Buffer.alloc(0),
};
const NEWEST = {
  protocolType: 'consumer',
  generation: 3,
  protocol: 'range',
  leader: 'm1',
  currentStateTimestamp: 1_700_000_000_000,
  members: [FIRST, SECOND],
};
const WITHOUT_INSTANCES = { ...NEWEST, members: [{ ...FIRST, groupInstanceId: null }, SECOND] };
const WITHOUT_TIME = { ...WITHOUT_INSTANCES, currentStateTimestamp: -1 };
const OLDEST = {
  ...WITHOUT_TIME,
  members: WITHOUT_TIME.members.map((member) => ({ ...member, rebalanceTimeout: -1 })),
};
const EMPTY = { ...NEWEST, protocolType: '', generation: 0, protocol: null, leader: null, members: [] };

// Made by Kafka 4.4's GroupMetadataValue.
test.each([
  {
    version: 0,
    value: OLDEST,
    hex: '00000008636f6e73756d657200000003000572616e676500026d310000000200026d31000163000a2f3132372e302e302e310000271000000003010203000000010400026d3200016300042f3a3a310000afc80000000000000000',
  },
  {
    version: 1,
    value: WITHOUT_TIME,
    hex: '00010008636f6e73756d657200000003000572616e676500026d310000000200026d31000163000a2f3132372e302e302e310000ea600000271000000003010203000000010400026d3200016300042f3a3a31000493e00000afc80000000000000000',
  },
  {
    version: 2,
    value: WITHOUT_INSTANCES,
    hex: '00020008636f6e73756d657200000003000572616e676500026d310000018bcfe568000000000200026d31000163000a2f3132372e302e302e310000ea600000271000000003010203000000010400026d3200016300042f3a3a31000493e00000afc80000000000000000',
  },
  {
    version: 3,
    value: NEWEST,
    hex: '00030008636f6e73756d657200000003000572616e676500026d310000018bcfe568000000000200026d3100026931000163000a2f3132372e302e302e310000ea600000271000000003010203000000010400026d32ffff00016300042f3a3a31000493e00000afc80000000000000000',
  },
  {
    version: 4,
    value: NEWEST,
    hex: '000409636f6e73756d6572000000030672616e6765036d310000018bcfe5680003036d3103693102630b2f3132372e302e302e310000ea600000271004010203020400036d32000263052f3a3a31000493e00000afc801010000',
  },
  { version: 3, value: EMPTY, hex: '0003000000000000ffffffff0000018bcfe5680000000000' },
])('a generation of v$version is, byte for byte, what Kafka stores', ({ version, value, hex }) => {
  expect(groupMetadataValue.encode(value, version).toString('hex')).toBe(hex);
  expect(groupMetadataValue.decode(Buffer.from(hex, 'hex'))).toEqual({ version, value });
});

test('without a version the one is written that Kafka 4.4 writes', () => {
  const member = { ...FIRST, clientId: 'client', assignment: Buffer.of(4, 5) };
  const value = { ...NEWEST, generation: 1, currentStateTimestamp: 1_795_765_505_826, members: [member] };
  // Made by its GroupCoordinatorRecordHelpers.newGroupMetadataRecord.
  const hex =
    '00030008636f6e73756d657200000001000572616e676500026d31000001a21bf70f220000000100026d31000269310006636c69656e74000a2f3132372e302e302e310000ea600000271000000003010203000000020405';
  expect(groupMetadataValue.encode(value).toString('hex')).toBe(hex);
});

test('what is read of members are views of the record, and what is written is a copy', () => {
  const record = groupMetadataValue.encode(NEWEST);
  expect(groupMetadataValue.decode(record).value.members[0]!.subscription.buffer).toBe(record.buffer);
  const large = Buffer.alloc(10_000, 1);
  const stored = groupMetadataValue.encode({ ...NEWEST, members: [{ ...FIRST, assignment: large }] });
  large.fill(2);
  expect(groupMetadataValue.decode(stored).value.members[0]!.assignment).toEqual(Buffer.alloc(10_000, 1));
});
