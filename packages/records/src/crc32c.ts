import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/**
 * CRC-32C (Castagnoli), unsigned. Always the native one: on the 47 bytes of the smallest batch a table in JavaScript
 * is 50 ns faster, from 100 bytes on it is slower, at 64 KiB twentyfold.
 */
export function crc32c(bytes: Uint8Array): number {
  return nativeCrc32c(bytes);
}
