import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeKey, encodeGroupMetadataKey, encodeOffsetCommitKey } from './keys.ts';
import { RecordError } from './record-format.ts';

// Made by Kafka 4.4's OffsetCommitKey and GroupMetadataKey.
test('keys are, byte for byte, what Kafka stores', () => {
  const offset = { group: 'gé', topic: 't1', partition: 3 };
  expect(encodeOffsetCommitKey(offset).toString('hex')).toBe('0001000367c3a90002743100000003');
  expect(encodeGroupMetadataKey('g1').toString('hex')).toBe('000200026731');
});

test('the key of an offset that brokers of old wrote means the same', () => {
  // Made by Kafka 4.4's LegacyOffsetCommitKey.
  const key = decodeKey(Buffer.from('0000000267310002743100000003', 'hex'));
  expect(key).toEqual({ kind: 'offset-commit', group: 'g1', topic: 't1', partition: 3 });
});

test('a kind that we do not have is told, with its version, and not an error', () => {
  // Made by Kafka 4.4's ConsumerGroupMetadataKey.
  expect(decodeKey(Buffer.from('000300026731', 'hex'))).toEqual({ kind: 'unknown', version: 3 });
  expect(decodeKey(Buffer.from('7fff', 'hex'))).toEqual({ kind: 'unknown', version: 0x7fff });
  expect(decodeKey(Buffer.from('ffff', 'hex'))).toEqual({ kind: 'unknown', version: -1 });
});

test('every key is read as what was written', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 100 });
  fc.assert(
    fc.property(name, name, fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }), (group, topic, partition) => {
      const offset = { group, topic, partition };
      expect(decodeKey(encodeOffsetCommitKey(offset))).toEqual({ kind: 'offset-commit', ...offset });
      expect(decodeKey(encodeGroupMetadataKey(group))).toEqual({ kind: 'group-metadata', group });
    }),
  );
});

test.each([
  ['', 'malformed', 'a key of __consumer_offsets has 0 bytes, and its version alone takes 2'],
  ['00', 'malformed', 'a key of __consumer_offsets has 1 bytes'],
  ['00020001', 'malformed', 'GroupMetadataKey v2: the message ends 1 bytes too early'],
  ['0002ffff', 'malformed', 'GroupMetadataKey v2: a string is null where there has to be one'],
  ['00010001670001740000', 'malformed', 'OffsetCommitKey v1: the message ends 2 bytes too early'],
  ['000200016700', 'trailing-bytes', '1 bytes follow GroupMetadataKey v2'],
])('a key that is none is refused: %j', (hex, fault, message) => {
  expect(() => decodeKey(Buffer.from(hex, 'hex'))).toThrow(
    expect.objectContaining({ name: 'RecordError', fault, message: expect.stringContaining(message) }),
  );
});

test('any bytes are a key or a RecordError', () => {
  const decodeOrRefuse = (bytes: Buffer): void => {
    try {
      decodeKey(bytes);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
    }
  };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 40 }), (version, rest) => {
      expect(() => decodeOrRefuse(Buffer.concat([Buffer.of(0, version), rest]))).not.toThrow();
    }),
    { numRuns: 5_000 },
  );
});

test('a group whose id is too long for a key is refused: cut, it would be another group', () => {
  expect(decodeKey(encodeGroupMetadataKey('g'.repeat(32_767)))).toMatchObject({ kind: 'group-metadata' });
  for (const encode of [
    () => encodeGroupMetadataKey('g'.repeat(32_768)),
    () => encodeGroupMetadataKey('é'.repeat(16_384)),
    () => encodeOffsetCommitKey({ group: 'g', topic: 't'.repeat(40_000), partition: 0 }),
  ]) {
    expect(encode).toThrow(expect.objectContaining({ name: 'RecordError', fault: 'text-too-long' }));
  }
  // And nothing of it is in what is written next.
  expect(encodeGroupMetadataKey('g1').toString('hex')).toBe('000200026731');
});
