import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { messageOf, WeirError } from '@weir/base/errors.ts';
import { DECOMPRESSED_BYTES_MAX } from '@weir/base/limits.ts';
import { lz4 } from './codecs.ts';
import { lz4ContentBytes } from './lz4-frame.ts';
import { compressXerial, decompressSnappy } from './snappy.ts';

/** How the records of a batch are compressed; the position is the id in the batch's attributes. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** A name in COMPRESSIONS. */
export type Compression = (typeof COMPRESSIONS)[number];

/** The bytes as Kafka's Java client would write them: gzip; snappy in Xerial's framing; LZ4 frames; zstd frames. */
export function compress(compression: Compression, bytes: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes);
    case 'snappy':
      return compressXerial(bytes);
    case 'lz4':
      return lz4().compressFrameSync(bytes);
    case 'zstd':
      return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  }
}

/**
 * Undoes `compress`, and reads what other clients write: snappy also without framing, LZ4 blocks that depend on each
 * other. What would become larger than `bytesMax` is refused before it takes that memory.
 *
 * @throws WeirError CORRUPT_MESSAGE when it cannot be undone or becomes too large
 */
export function decompress(compression: Compression, bytes: Buffer, bytesMax: number = DECOMPRESSED_BYTES_MAX): Buffer {
  try {
    switch (compression) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, zlibOptions(bytes, bytesMax));
      case 'snappy':
        return decompressSnappy(bytes, bytesMax);
      case 'lz4':
        lz4ContentBytes(bytes, bytesMax);
        return lz4().decompressFrameSync(bytes);
      case 'zstd':
        return zstdDecompressSync(bytes, zlibOptions(bytes, bytesMax));
    }
  } catch (error) {
    if (error instanceof WeirError) throw error;
    const why = isTooLarge(error) ? `they become more than ${bytesMax} bytes` : messageOf(error);
    throw new WeirError('CORRUPT_MESSAGE', `records that say they are ${compression} do not decompress: ${why}`, {
      cause: error,
    });
  }
}

const ZLIB_CHUNK_BYTES_MIN = 16 * 1024;

/** Steps of about the final size, so that little is copied together; never more than the input allows for. */
function zlibOptions(bytes: Buffer, bytesMax: number): { maxOutputLength: number; chunkSize: number } {
  return { maxOutputLength: bytesMax, chunkSize: Math.max(ZLIB_CHUNK_BYTES_MIN, 4 * bytes.length) };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}
