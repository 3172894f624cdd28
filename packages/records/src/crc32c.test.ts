import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c } from './crc32c.ts';

// RFC 3720, B.4, and the check value of the CRC catalogue.
test.each([
  ['the check string', Buffer.from('123456789'), 0xe306_9283],
  ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
  ['32 ascending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd_794e],
  ['32 descending bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113f_db5c],
  ['nothing', Buffer.alloc(0), 0],
])('the CRC-32C of %s is the published one', (_what, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
});

test('it agrees with the polynomial, bit by bit, on views too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const view = Buffer.concat([Buffer.from('x'), bytes]).subarray(1);
      expect(crc32c(view)).toBe(bitwiseCrc32c(bytes));
    }),
  );
});

function bitwiseCrc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f6_3b78);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
