import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { writeBaseOffset } from '@weir/records/batch-header.ts';
import { offset } from '@weir/base/ids.ts';
import { expect, test } from 'vitest';
import { ManualClock } from '../test-kit/manual-clock.ts';
import type { Fetcher } from './fetcher.ts';
import { read } from './read.ts';
import type { SubscriptionHandlers } from './subscription.ts';

function batchAt(base: number): Buffer {
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  builder.append({ key: null, value: Buffer.from(String(base)), timestampMs: 1_000 });
  const batch = builder.build();
  writeBaseOffset(batch, 0, offset(base));
  return batch;
}

test('a read whose time is over while frames come goes on to the end', async () => {
  let handlers: SubscriptionHandlers | undefined;
  const subscription = { credit() {}, close() {} };
  const fetcher = {
    subscribe(_place: unknown, given: SubscriptionHandlers) {
      handlers = given;
      return subscription;
    },
  } as unknown as Fetcher;
  const clock = new ManualClock();
  const request = { topic: 't', partition: 0, offset: 0, maxRecords: 10, maxBytes: 1_000_000, waitMs: 0 };
  const reading = read(fetcher, clock, request);
  const marks = { highWatermark: 2, logStartOffset: 0 };
  handlers!.batches(batchAt(0), { ...marks, fromOffset: 0, nextOffset: 1 });
  await clock.advance(1);
  handlers!.batches(batchAt(1), { ...marks, fromOffset: 1, nextOffset: 2 });
  const { records, nextOffset } = await reading;
  expect([records.length, nextOffset]).toEqual([2, 2]);
});
