import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import { asProducers, keyedBatch } from '../test-kit.ts';
import { append, compact, layout, newBed, recordsOf, reopened, seal } from './test-compaction.ts';
import type { Bed } from './test-compaction.ts';

/** Who starts then has the batches alone. */
function removeSnapshots({ disk }: Bed): void {
  for (const name of disk.list('logs/p')!.filter((file) => file.endsWith('.snapshot'))) {
    disk.removeFile(`logs/p/${name}`);
  }
  disk.syncDirectory('logs/p');
}

test("an idempotent producer's last batch stays, without records if need be, and only the last", () => {
  const bed = newBed();
  const by = (sequence: number, value: string): Buffer =>
    asProducers(keyedBatch([['a', value]]), { producerId: 5, sequence });
  append(bed, by(0, '1'), by(1, '2'), [['a', '3']], [['b', '1']]);
  seal(bed);
  compact(bed.log, bed);
  expect(recordsOf(bed.log, bed.disk)).toEqual(['2 a=3', '3 b=1']);
  expect(layout(bed)).toEqual(['0-0@0:0', '1-1@0:0', '2-2@0:1', '3-3@0:1']);
  // Whoever has the batches alone knows what has to follow.
  removeSnapshots(bed);
  const again = reopened(bed);
  expect(again.log.admit(by(1, '2'))).toMatchObject({ kind: 'duplicate', baseOffset: 1 });
  expect(again.log.admit(by(3, '4'))).toMatchObject({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' });
  expect(again.log.admit(by(2, '3'))).toBeUndefined();
  again.log.beginEpoch(leaderEpoch(1));
  append(again, by(2, '4'), [['a', '5']]);
  seal(again);
  compact(again.log, again);
  expect(layout(again)).toEqual(['0-2@0:0', '3-3@0:1', '4-4@1:0', '5-5@1:1']);
});

test('the batch of a producer that has sent others since, behind what is cleaned, stays as long as these may be cut', () => {
  const bed = newBed();
  const by = (sequence: number): Buffer => asProducers(keyedBatch([['a', 'v']]), { producerId: 5, sequence });
  append(bed, by(0), by(1), [['a', '2']], [['b', '1']]);
  seal(bed);
  append(bed, by(2), by(3));
  compact(bed.log, bed);
  bed.log.truncateTo(offset(4));
  const again = reopened(bed);
  expect(again.log.admit(by(1))).toMatchObject({ kind: 'duplicate', baseOffset: 1 });
});

test('that holds for a batch that an earlier pass has left, too', () => {
  const bed = newBed();
  const by = (sequence: number): Buffer => asProducers(keyedBatch([['a', 'v']]), { producerId: 5, sequence });
  append(bed, by(0), [['a', '2']], [['b', '1']]);
  seal(bed);
  compact(bed.log, bed);
  append(bed, [['b', '2']], [['c', '1']]);
  seal(bed);
  const sealed = bed.log.endOffset;
  append(bed, by(1));
  compact(bed.log, bed);
  expect(recordsOf(bed.log, bed.disk).slice(0, 3)).toEqual(['1 a=2', '3 b=2', '4 c=1']);
  bed.log.truncateTo(sealed);
  removeSnapshots(bed);
  expect(reopened(bed).log.admit(by(0))).toMatchObject({ kind: 'duplicate', baseOffset: 0 });
});
