import { expect, test } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { keysProblem } from './check-keys.ts';
import { COMPRESSIONS } from './compression.ts';
import type { Compression } from './compression.ts';
import { BATCH_CRC_FROM, writeCrc } from './batch-header.ts';
import { crc32c } from './crc32c.ts';

function batchOf(keys: readonly (string | null)[], compression: Compression): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000, compression });
  for (const key of keys) {
    builder.append({ key: key === null ? null : Buffer.from(key), value: Buffer.alloc(100), timestampMs: 0 });
  }
  return builder.build();
}

test.each(COMPRESSIONS)(
  'a record without a key is refused, with %s as well, and an empty key is one',
  (compression) => {
    expect(keysProblem(batchOf(['a', '', 'b'], compression))).toBeUndefined();
    expect(keysProblem(batchOf(['a', 'b', null, 'c'], compression))).toMatchObject({
      code: 'INVALID_RECORD',
      message: 'record 2 has no key, and the topic is compacted',
    });
  },
);

test('records that cannot be read are refused', () => {
  const batch = batchOf(['a', 'b'], 'gzip');
  batch[61] = batch[61]! ^ 0xff;
  writeCrc(batch, 0, crc32c(batch.subarray(BATCH_CRC_FROM)));
  expect(keysProblem(batch)).toMatchObject({ code: 'INVALID_RECORD' });
});
