import { seededRandom } from '@weir/base/random.ts';
import { baseSequenceOf, producerEpochOf } from '@weir/records/batch-header.ts';
import { expect, test } from 'vitest';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import { PartitionQueue, sequenceBehind } from './partition-queue.ts';
import type { Flight } from './partition-queue.ts';
import { SendCall } from './send-call.ts';
import { TopicSender } from './topic-sender.ts';

/** A queue that has an id, and a way to have one more batch of it taken. */
function setUp() {
  const info = { name: 't', messageBytesMax: 1_000, partitions: [{ leader: 1 }] } as unknown as TopicInfo;
  const queue = new PartitionQueue(new TopicSender(info, seededRandom(1)), 0);
  const call = new SendCall(1_000_000, {}, () => {});
  let appended = 0;
  const add = (): void => {
    const record = { key: null, value: Buffer.alloc(600) };
    queue.append(record, call, appended++, 700, { monoMs: 1, wallMs: 1 });
  };
  const takeOne = (): Flight => {
    add();
    if (queue.needsProducer) queue.identify((queue.spentId ?? 6) + 1);
    return queue.take();
  };
  return { queue, takeOne };
}

const placeOf = ({ batch }: Flight): [number, number] => [
  producerEpochOf(batch.sealed, 0),
  baseSequenceOf(batch.sealed, 0),
];

test('sequence numbers go on from 0 behind the largest', () => {
  expect(sequenceBehind(0, 5)).toBe(5);
  expect(sequenceBehind(0x7fff_ffff - 4, 5)).toBe(0);
  expect(sequenceBehind(0x7fff_ffff, 1)).toBe(0);
  expect(sequenceBehind(0x7fff_ffff, 100_000)).toBe(99_999);
});

test('behind the last epoch an id is spent, and the next one begins anew', () => {
  const { queue, takeOne } = setUp();
  const places: [number, number][] = [];
  for (let epoch = 0; epoch <= 0x7fff; epoch++) {
    const flight = takeOne();
    places.push(placeOf(flight));
    queue.giveUp(flight.batch);
  }
  expect(places).toEqual(places.map((_, epoch) => [epoch, 0]));
  expect(queue.spentId).toBe(7);
  expect(placeOf(takeOne())).toEqual([0, 0]);
});
