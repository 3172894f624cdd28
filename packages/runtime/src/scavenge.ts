import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RECEIVED_BYTES_PER_SCAVENGE } from '@weir/base/limits.ts';

let receivedBytes = 0;
let scavenge: (() => void) | undefined;

/**
 * Tells of bytes that have come from a socket through node:http2 or node:http, which take fresh memory for every read of
 * up to 64 KiB. V8 counts that as external, and collects the whole heap for each 64 MiB of it: half of a broker's CPU time
 * under load, as hardly anything else of it becomes garbage. By then nearly all of that memory is long unused, so that a
 * collection of the young generation alone frees it, at a twentieth of the cost.
 */
export function received(bytes: number): void {
  receivedBytes += bytes;
  if (receivedBytes < RECEIVED_BYTES_PER_SCAVENGE) return;
  receivedBytes = 0;
  scavenge ??= findScavenge();
  scavenge();
}

/** V8 has it only where it is asked to show it; the main context stays as it was. */
function findScavenge(): () => void {
  setFlagsFromString('--expose-gc');
  try {
    const collect = runInNewContext('gc') as NodeJS.GCFunction;
    return () => collect({ type: 'minor', execution: 'sync' });
  } catch {
    // A later V8 may not have it: then the whole heap is collected now and then, as before.
    return () => {};
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
