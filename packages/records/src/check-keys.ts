import { refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { RecordCursor } from './record-cursor.ts';

/**
 * Why a producer's batch, in which nothing else is wrong, is refused where records are compacted: each of them needs a key.
 * Compressed ones are opened for it. Undefined: all of them have one.
 */
export function keysProblem(batch: Buffer): Refusal | undefined {
  const cursor = new RecordCursor();
  try {
    cursor.open(batch);
    for (let index = 0; cursor.next(); index++) {
      if (!cursor.hasKey) return refusal('INVALID_RECORD', `record ${index} has no key, and the topic is compacted`);
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    return refusal(error.code === 'CORRUPT_MESSAGE' ? 'INVALID_RECORD' : error.code, error.message);
  }
}
