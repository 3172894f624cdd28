import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

let snappyModule: typeof import('snappy') | undefined;
let lz4Module: typeof import('lz4-napi') | undefined;

/**
 * Native libraries that take memory as soon as they are loaded: a broker that serves batches as they are needs none of
 * them.
 */
export function snappy(): typeof import('snappy') {
  return (snappyModule ??= require('snappy') as typeof import('snappy'));
}

/** See `snappy`. */
export function lz4(): typeof import('lz4-napi') {
  return (lz4Module ??= require('lz4-napi') as typeof import('lz4-napi'));
}
