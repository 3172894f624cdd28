import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { WeirError } from '@weir/base/errors.ts';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { expect, test } from 'vitest';
import { compress, COMPRESSIONS, decompress } from './compression.ts';
import type { Compression } from './compression.ts';
import { lz4ContentBytes } from './lz4-frame.ts';
import { orRefused } from './test-kit.ts';

const REAL = COMPRESSIONS.filter((compression) => compression !== 'none');
/** Bytes with repetitions in them, short and long ones. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 4_000 })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((runs) => Buffer.concat(runs.map(([bytes, times]) => Buffer.alloc(bytes.length * times, bytes))));

test('the ids are those of Kafka', () => {
  expect(COMPRESSIONS.map((compression, id) => [id, compression])).toEqual([
    [0, 'none'],
    [1, 'gzip'],
    [2, 'snappy'],
    [3, 'lz4'],
    [4, 'zstd'],
  ]);
});

test.each(COMPRESSIONS)('%s gives back what went in', (compression) => {
  fc.assert(
    fc.property(content, (bytes) => {
      expect(decompress(compression, compress(compression, bytes)).equals(bytes)).toBe(true);
    }),
  );
});

test.each(REAL)('%s takes exactly the limit, and refuses a byte more', (compression) => {
  const compressed = compress(compression, Buffer.alloc(100_000, 'weir'));
  expect(decompress(compression, compressed, 100_000)).toHaveLength(100_000);
  expect(() => decompress(compression, compressed, 99_999)).toThrow(WeirError);
});

test.each(REAL)('a %s bomb is refused without the memory for it', (compression) => {
  const bomb = compress(compression, Buffer.alloc(64 * 1024 * 1024));
  const before = process.memoryUsage();
  expect(() => decompress(compression, bomb, 1024 * 1024)).toThrow(/do not decompress/);
  const after = process.memoryUsage();
  expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(48 * 1024 * 1024);
});

test.each(REAL)('any bytes that say they are %s end in bytes or a WeirError', (compression) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(endsWell(compression, Buffer.from(bytes))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each(REAL)('flipped bits and cuts in %s end in bytes or a WeirError', (compression) => {
  fc.assert(
    fc.property(content, fc.nat(), fc.nat(), fc.boolean(), (bytes, place, bit, cut) => {
      const damaged = Buffer.from(compress(compression, bytes));
      damaged[place % damaged.length]! ^= 1 << (bit % 8);
      expect(endsWell(compression, cut ? damaged.subarray(0, bit % damaged.length) : damaged)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each(REAL)('%s that is cut short is refused wherever it is cut', (compression) => {
  const whole = compress(compression, Buffer.from('a record, and another record, and a third one'));
  for (let length = 0; length < whole.length; length++) {
    // Xerial's framing has no end: at a block's border a cut is not seen, and the header alone is nothing.
    if (compression === 'snappy' && length === 16) continue;
    expect(() => decompress(compression, whole.subarray(0, length)), `${length} bytes`).toThrow(WeirError);
  }
});

test('gzip of another writer is read', () => {
  // The body of a batch as Sarama (Go) writes it.
  const bytes = Buffer.from(
    '1f8b080000096e8800ff001500eaff28000a00080102030406050607020608090a040b0c0300adc9586715000000',
    'hex',
  );
  expect(decompress('gzip', bytes).toString('hex')).toBe('28000a00080102030406050607020608090a040b0c');
});

test('snappy without framing is read, as librdkafka and Go clients write it', () => {
  const bytes = Buffer.from('weir weir weir weir');
  expect(decompress('snappy', compressSync(bytes))).toEqual(bytes);
});

test('snappy is written in blocks of 32 KiB behind the header of snappy-java', () => {
  const bytes = Buffer.alloc(70_000, 'weir');
  const framed = compress('snappy', bytes);
  expect(framed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
  const blocks: number[] = [];
  for (let at = 16; at < framed.length; at += 4 + framed.readInt32BE(at)) {
    blocks.push(decompress('snappy', framed.subarray(at + 4, at + 4 + framed.readInt32BE(at))).length);
  }
  expect(blocks).toEqual([32_768, 32_768, 4_464]);
});

test.each([
  ['a block that claims 4 GiB', 'ffffffff0f00'],
  ['a length that does not end', 'ffffffffffff'],
  ['a frame whose block is longer than the frame', '82534e415050590000000001000000010000ffff00'],
  ['a frame with a negative length', '82534e41505059000000000100000001ffffffff00'],
])('snappy is refused before memory is taken: %s', (_what, hex) => {
  expect(() => decompress('snappy', Buffer.from(hex, 'hex'))).toThrow(WeirError);
});

test('an LZ4 frame that we write is one that the Java client reads: version 1, blocks of their own', () => {
  const frame = compress('lz4', Buffer.from('weir'));
  expect(frame.readUInt32LE(0)).toBe(0x184d2204);
  expect(frame[4]! & 0b1110_0011).toBe(0b0110_0000);
});

test('LZ4 frames with checksums are read, with content size too', () => {
  const bytes = Buffer.alloc(200_000, 'weir and lock ');
  const frame = compressFrameSync(bytes, { contentChecksum: true, blockChecksums: true });
  expect(decompress('lz4', frame).equals(bytes)).toBe(true);
  // Sarama's: content checksum.
  const other = Buffer.from('04224d186470b91500008028000a00080102030406050607020608090a040b0c000000000c3bef92', 'hex');
  expect(decompress('lz4', other).toString('hex')).toBe('28000a00080102030406050607020608090a040b0c');
});

test('the size of an LZ4 frame is known without decompressing it', () => {
  fc.assert(
    fc.property(content, fc.boolean(), fc.boolean(), (bytes, contentChecksum, blockChecksums) => {
      const frame = compressFrameSync(bytes, { contentChecksum, blockChecksums });
      expect(lz4ContentBytes(frame, bytes.length)).toBe(bytes.length);
    }),
  );
});

test('what follows an LZ4 frame is refused, not dropped', () => {
  const frame = compress('lz4', Buffer.from('weir weir weir'));
  expect(() => decompress('lz4', Buffer.concat([frame, frame]))).toThrow(WeirError);
});

test('a raw deflate stream is not gzip', () => {
  expect(() => decompress('gzip', deflateRawSync('weir'))).toThrow(WeirError);
});

test('zstd and gzip of other levels are read', () => {
  const bytes = Buffer.alloc(300_000, 'weir and lock ');
  for (const level of [1, 9]) expect(decompress('gzip', gzipSync(bytes, { level })).equals(bytes)).toBe(true);
  for (const level of [-5, 1, 19, 22]) {
    const params = { [constants.ZSTD_c_compressionLevel]: level };
    expect(decompress('zstd', zstdCompressSync(bytes, { params })).equals(bytes)).toBe(true);
  }
});

const FUZZ_BYTES_MAX = 1024 * 1024;

/** Whether bytes decompress within the limit or are refused; anything else is thrown. */
function endsWell(compression: Compression, bytes: Buffer): boolean {
  const length = orRefused(() => decompress(compression, bytes, FUZZ_BYTES_MAX).length);
  return length === 'refused' || length <= FUZZ_BYTES_MAX;
}
