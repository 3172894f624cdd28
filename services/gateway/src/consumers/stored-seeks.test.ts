import { HTTP_CONSUMER_SEEKS_MAX } from '@weir/base/group-limits.ts';
import { expect, test } from 'vitest';
import { StoredSeeks } from './stored-seeks.ts';

const place = (partition: number): { topic: string; partition: number } => ({ topic: 'orders', partition });
const at = (partition: number, offset: number): { topic: string; partition: number; offset: number } => ({
  ...place(partition),
  offset,
});

test('the last seek of a partition is stored, with what was committed there then', () => {
  const seeks = new StoredSeeks();
  seeks.note([at(0, 5), at(1, 6)], [at(1, 60)]);
  seeks.note([at(0, 7)], [at(0, 70)]);
  expect(seeks.all).toEqual([
    { ...at(1, 6), committed: 60 },
    { ...at(0, 7), committed: 70 },
  ]);
  seeks.forget([place(0)]);
  expect(seeks.all).toEqual([{ ...at(1, 6), committed: 60 }]);
  seeks.forget();
  expect(seeks.all).toEqual([]);
});

test('what the gateway before has stored is taken up once for each partition, and not where it was moved again', () => {
  const seeks = new StoredSeeks();
  seeks.restore([at(0, 5), at(1, 6), at(2, 7)]);
  seeks.note([at(1, 8)], []);
  expect(seeks.takeRestored([place(0), place(1), place(3)])).toEqual([at(0, 5)]);
  expect(seeks.takeRestored([place(0), place(2)])).toEqual([at(2, 7)]);
  expect(seeks.all).toHaveLength(3);
});

test('of too many the oldest are left out', () => {
  const seeks = new StoredSeeks();
  for (let i = 0; i <= HTTP_CONSUMER_SEEKS_MAX; i++) seeks.note([at(i, i)], []);
  expect(seeks.all).toHaveLength(HTTP_CONSUMER_SEEKS_MAX);
  expect(seeks.all[0]).toEqual(at(1, 1));
});
