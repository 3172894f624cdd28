import { WeirError } from '@weir/base/errors.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orRefused } from './test-kit.ts';
import { varintBytes, VarintReader, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

function readerOf(bytes: Uint8Array): VarintReader {
  const reader = new VarintReader();
  reader.reset(bytes, 0, bytes.length);
  return reader;
}

function varintHex(value: number): string {
  const buffer = Buffer.alloc(16);
  return buffer.toString('hex', 0, writeVarint(buffer, 0, value));
}

function varlongHex(value: number): string {
  const buffer = Buffer.alloc(16);
  return buffer.toString('hex', 0, writeVarlong(buffer, 0, value));
}

/** The definition, by way of BigInt. */
function referenceHex(value: number): string {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes).toString('hex');
}

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [-64, '7f'],
  [64, '8001'],
  [-65, '8101'],
  [8191, 'fe7f'],
  [8192, '808001'],
  [2 ** 31 - 1, 'feffffff0f'],
  [-(2 ** 31), 'ffffffff0f'],
])('%i is written as Kafka writes it', (value, hex) => {
  expect(varintHex(value)).toBe(hex);
  expect(varlongHex(value)).toBe(hex);
});

test('varints are what the definition says, as long as foretold, and read back', () => {
  fc.assert(
    fc.property(int32, (value) => {
      const hex = varintHex(value);
      expect(hex).toBe(referenceHex(value));
      expect(varintBytes(value)).toBe(hex.length / 2);
      expect(readerOf(Buffer.from(hex, 'hex')).readVarint()).toBe(value);
    }),
  );
});

test('varlongs are what the definition says over all safe integers, as long as foretold, and read back', () => {
  const value = fc.oneof(fc.maxSafeInteger(), int32, fc.constantFrom(2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 52, -(2 ** 52)));
  fc.assert(
    fc.property(
      value.filter((one) => !Object.is(one, -0)),
      (one) => {
        const hex = varlongHex(one);
        expect(hex).toBe(referenceHex(one));
        expect(varlongBytes(one)).toBe(hex.length / 2);
        expect(readerOf(Buffer.from(hex, 'hex')).readVarlong()).toBe(one);
      },
    ),
  );
});

test.each([
  ['an empty one', ''],
  ['one that ends in the middle', '8080'],
  ['one of 33 bits', 'ffffffff1f'],
  ['one that does not end', 'ffffffffffffffffffffffff'],
])('a varint is refused: %s', (_what, hex) => {
  expect(() => readerOf(Buffer.from(hex, 'hex')).readVarint()).toThrow(WeirError);
});

test.each([
  ['an empty one', ''],
  ['one that ends in the middle', '8080'],
  ['2^53', referenceHex(2 ** 53)],
  ['-(2^53)', referenceHex(-(2 ** 53))],
  ['the largest int64', 'feffffffffffffffff01'],
  ['one that does not end', 'ffffffffffffffffffffffff'],
])('a varlong is refused: %s', (_what, hex) => {
  expect(() => readerOf(Buffer.from(hex, 'hex')).readVarlong()).toThrow(WeirError);
});

test('a reader never goes past its end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), fc.boolean(), (bytes, length, long) => {
      const reader = new VarintReader();
      const end = Math.min(length, bytes.length);
      reader.reset(bytes, 0, end);
      const value = orRefused(() => (long ? reader.readVarlong() : reader.readVarint()));
      expect(value === 'refused' || Number.isSafeInteger(value)).toBe(true);
      expect(reader.at).toBeLessThanOrEqual(end);
    }),
  );
});
