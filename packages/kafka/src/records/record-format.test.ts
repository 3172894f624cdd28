import fc from 'fast-check';
import { expect, test } from 'vitest';
import { valueOf } from '../test-kit.ts';
import { consumerProtocolAssignment, consumerProtocolSubscription } from './consumer-protocol.ts';
import { groupMetadataValue } from './group-metadata-value.ts';
import { offsetCommitValue } from './offset-commit-value.ts';
import { RecordError } from './record-format.ts';
import type { RecordFormat } from './record-format.ts';

const FORMATS: readonly RecordFormat<any, any>[] = [
  offsetCommitValue,
  groupMetadataValue,
  consumerProtocolSubscription,
  consumerProtocolAssignment,
];
const VERSIONS = FORMATS.flatMap((format) => {
  const [first, last] = format.spec.versions;
  return Array.from({ length: last - first + 1 }, (_, i) => ({ format, version: first + i }));
});

function anyValue({ format: { spec }, version }: (typeof VERSIONS)[number], seed: number): unknown {
  return valueOf(spec.type, version, version >= spec.flexibleFrom, seed);
}

test.each(VERSIONS.map((one) => [one.format.spec.name, one.version, one] as const))(
  '%s v%i: what is written is what is read',
  (_name, version, one) => {
    for (let seed = 0; seed < 50; seed++) {
      const bytes = one.format.encode(anyValue(one, seed), version);
      const read = one.format.decode(bytes);
      expect(read.version).toBe(version);
      // Written again it is the same, byte for byte: all that was read is all that there was.
      expect(one.format.encode(read.value, version)).toEqual(bytes);
    }
  },
);

test.each(VERSIONS.map((one) => [one.format.spec.name, one.version, one] as const))(
  '%s v%i: cut anywhere it is malformed',
  (_name, version, one) => {
    for (let seed = 0; seed < 5; seed++) {
      const bytes = one.format.encode(anyValue(one, seed), version);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => one.format.decode(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ name: 'RecordError', fault: 'malformed' }),
        );
      }
    }
  },
);

test('any bytes are a value or a RecordError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), fc.uint8Array({ maxLength: 200 }), ({ format, version }, rest) => {
      expect(() => decodeOrRefuse(format, Buffer.concat([Buffer.of(0, version), rest]))).not.toThrow();
      expect(() => decodeOrRefuse(format, Buffer.from(rest))).not.toThrow();
    }),
    { numRuns: 5_000 },
  );
});

test('a value with a few bytes changed is a value or a RecordError', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), fc.nat(1_000), edits, (one, seed, changes) => {
      const bytes = one.format.encode(anyValue(one, seed), one.version);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      expect(() => decodeOrRefuse(one.format, bytes)).not.toThrow();
    }),
    { numRuns: 5_000 },
  );
});

function decodeOrRefuse(format: RecordFormat<any, any>, bytes: Buffer): void {
  try {
    format.decode(bytes);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
  }
}

test('a version that somebody newer wrote is refused as such, however its bytes go on', () => {
  const known = 'versions 0 to 4 are known';
  for (const [hex, message] of [
    ['0005', `GroupMetadataValue has version 5, and ${known}`],
    ['7fff0000', `GroupMetadataValue has version 32767, and ${known}`],
    ['ffff', `GroupMetadataValue has version -1, and ${known}`],
  ] as const) {
    expect(() => groupMetadataValue.decode(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ name: 'RecordError', fault: 'unknown-version', message }),
    );
  }
});

test('bytes that follow a value are refused', () => {
  const value = { offset: 1, metadata: '', commitTimestamp: 0 };
  for (const version of [0, 1, 2, 3, 4]) {
    const longer = Buffer.concat([offsetCommitValue.encode(value, version), Buffer.of(0)]);
    expect(() => offsetCommitValue.decode(longer)).toThrow(
      expect.objectContaining({
        fault: 'trailing-bytes',
        message: `1 bytes follow OffsetCommitValue v${version}`,
      }),
    );
  }
});

test('a count of members that there are no bytes for is refused before anything is made of it', () => {
  const empty = { protocolType: '', generation: 0, protocol: null, leader: null, members: [] };
  const bytes = groupMetadataValue.encode(empty, 3);
  bytes.writeInt32BE(0x7fff_ffff, bytes.length - 4);
  expect(() => groupMetadataValue.decode(bytes)).toThrow('an array of 2147483647 elements does not fit the message');
});

test('a tagged field of a newer writer is passed over', () => {
  const bytes = offsetCommitValue.encode({ offset: 1, metadata: '', commitTimestamp: 0 }, 4);
  const newer = Buffer.concat([bytes.subarray(0, -1), Buffer.of(1, 9, 2, 0xaa, 0xbb)]);
  expect(offsetCommitValue.decode(newer)).toEqual(offsetCommitValue.decode(bytes));
});

test('a text that is too long for its version is refused, and one that has room is stored', () => {
  const value = { offset: 1, metadata: 'm'.repeat(40_000), commitTimestamp: 0 };
  expect(() => offsetCommitValue.encode(value, 3)).toThrow(
    expect.objectContaining({ name: 'RecordError', fault: 'text-too-long' }),
  );
  expect(offsetCommitValue.decode(offsetCommitValue.encode(value, 4)).value.metadata).toBe(value.metadata);
});

test('a version that there is not cannot be asked for', () => {
  const value = { offset: 1, metadata: '', commitTimestamp: 0 };
  expect(() => offsetCommitValue.encode(value, 5)).toThrow('OffsetCommitValue has no version 5');
});
