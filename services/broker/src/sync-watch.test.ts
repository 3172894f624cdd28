import { expect, test } from 'vitest';
import { SYNC_STALLED_MS } from '@weir/base/limits.ts';
import { SyncWatch } from './sync-watch.ts';

test('a sync that does not come back is told once, by its name, and so is its end', () => {
  const lines: string[] = [];
  const note = (line: unknown): void => void lines.push(String(line));
  let since: number | undefined = 1_000;
  const watch = new SyncWatch(
    () => [
      { name: 'orders-0', syncingSinceMs: since },
      { name: 'the journal', syncingSinceMs: undefined },
    ],
    { error: note, info: note },
  );
  watch.look(1_000 + SYNC_STALLED_MS - 1);
  expect([lines, watch.longestMs]).toEqual([[], SYNC_STALLED_MS - 1]);
  watch.look(1_000 + SYNC_STALLED_MS);
  watch.look(2_000 + SYNC_STALLED_MS);
  expect(lines).toEqual(['the disk stalls: a sync of orders-0 has been under way for 5 s, and batches wait']);
  since = undefined;
  watch.look(3_000 + SYNC_STALLED_MS);
  expect([lines.at(-1), watch.longestMs]).toEqual(['the disk syncs again', 0]);
});
