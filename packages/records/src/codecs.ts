import { createRequire } from 'node:module';
import type * as Lz4 from 'lz4-napi';
import type * as Snappy from 'snappy';

const require = createRequire(import.meta.url);

let snappyModule: typeof Snappy | undefined;
let lz4Module: typeof Lz4 | undefined;

/**
 * Native libraries that take memory as soon as they are loaded: a broker that serves batches as they are needs none of
 * them.
 */
export function snappy(): typeof Snappy {
  return (snappyModule ??= require('snappy') as typeof Snappy);
}

/** See `snappy`. */
export function lz4(): typeof Lz4 {
  return (lz4Module ??= require('lz4-napi') as typeof Lz4);
}
