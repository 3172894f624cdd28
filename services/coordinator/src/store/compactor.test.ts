import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { COMPACT_INTERVAL_MS } from '@weir/base/limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { compactRegularly } from './compactor.ts';
import { MemoryStore } from './memory-store.ts';
import { StoreFault } from './metadata-store.ts';
import { put, Recorder, write } from './testing/store-test-kit.ts';

class FailingStore extends MemoryStore {
  failing = false;

  override compact(before: Revision): Promise<void> {
    return this.failing ? Promise.reject(new StoreFault('not now', { retriable: true })) : super.compact(before);
  }
}

test('what is older than one interval is forgotten, what is newer is kept, also when it fails for once', async () => {
  const clock = new ManualClock();
  const store = new FailingStore();
  const warnings: string[] = [];
  let newest = await write(store, put('/a', '1'));
  const logger = { warn: (_facts: object, message: string) => void warnings.push(message) };
  const cancel = compactRegularly(store, () => newest, { clock, logger: logger as never });
  const isKept = async (after: number): Promise<boolean> => {
    const recorder = new Recorder(store, { prefix: '/', after: revision(after) });
    await clock.settle();
    recorder.close();
    return recorder.lost === undefined;
  };

  newest = await write(store, put('/a', '2'));
  newest = await write(store, put('/a', '3'));
  await clock.advance(COMPACT_INTERVAL_MS);
  expect(await isKept(0)).toBe(true);
  newest = await write(store, put('/a', '4'));
  store.failing = true;
  await clock.advance(COMPACT_INTERVAL_MS);
  expect(warnings).toEqual(['the metadata store was not compacted: not now']);
  expect(await isKept(1)).toBe(true);
  store.failing = false;
  await clock.advance(COMPACT_INTERVAL_MS);
  expect(await isKept(2)).toBe(false);
  expect(await isKept(3)).toBe(true);
  cancel();
  newest = await write(store, put('/a', '5'));
  await clock.advance(10 * COMPACT_INTERVAL_MS);
  expect(await isKept(3)).toBe(true);
});
