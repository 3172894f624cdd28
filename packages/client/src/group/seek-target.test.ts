import type { Client } from '../client.ts';
import { expect, test } from 'vitest';
import { placeAfter } from './seek-target.ts';
import type { SeekTarget } from './seek-target.ts';

/** A partition with the offsets 10 to 19; from 15 on they are as young as 1,000. */
const client: Pick<Client, 'listOffsets'> = {
  listOffsets: async (_topic, queries) =>
    queries.map(({ partition, timestamp }) => {
      if (timestamp === 'earliest') return { partition, offset: 10, timestampMs: -1 };
      if (timestamp === 'latest') return { partition, offset: 20, timestampMs: -1 };
      return timestamp <= 1_000
        ? { partition, offset: 15, timestampMs: 1_000 }
        : { partition, offset: -1, timestampMs: -1 };
    }),
};

function at(target: SeekTarget, from: number | null = 12): Promise<number> {
  return placeAfter(client, { topic: 't', partition: 0, from }, target);
}

test('a group is moved to an end, to an offset, and to the first record that is young enough', async () => {
  expect(await at({ kind: 'earliest' })).toBe(10);
  expect(await at({ kind: 'latest' })).toBe(20);
  expect(await at({ kind: 'offset', offset: 20 })).toBe(20);
  expect(await at({ kind: 'timestamp', timestampMs: 900 })).toBe(15);
  expect(await at({ kind: 'timestamp', timestampMs: 2_000 })).toBe(20);
});

test('it is moved by a number of records, no further than there are any', async () => {
  expect(await at({ kind: 'by', records: 3 })).toBe(15);
  expect(await at({ kind: 'by', records: 100 })).toBe(20);
  expect(await at({ kind: 'by', records: -100 })).toBe(10);
  await expect(at({ kind: 'by', records: 1 }, null)).rejects.toThrow('nothing is committed');
});

test('an offset that is not there is refused with those that are', async () => {
  await expect(at({ kind: 'offset', offset: 9 })).rejects.toThrow('partition 0 of t has 10 to 19');
});
