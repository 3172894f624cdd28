import fc from 'fast-check';
import { expect, test } from 'vitest';
import { machineClock } from '@weir/runtime/machine.ts';
import { FakeClient } from '../testing/fake-client.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';

const client = new FakeClient(machineClock);
client.addTopic('orders', 8);
client.addTopic('others', 8);
const topic = client.topic('orders')!;

test('a cursor comes back as it went out', () => {
  const entries = fc.uniqueArray(fc.tuple(fc.nat({ max: 7 }), fc.maxSafeNat()), {
    selector: ([partition]) => partition,
  });
  fc.assert(
    fc.property(entries, (some) => {
      const cursor = new Map(some);
      expect(decodeCursor(encodeCursor(topic, cursor), topic)).toEqual(cursor);
    }),
  );
});

test('a cursor of another topic, or none at all, is refused', () => {
  const cursor = encodeCursor(topic, new Map([[0, 1]]));
  // The ids of the fake topics begin alike; a real id is random.
  const other = { ...client.topic('others')!, id: `ffffffff${topic.id.slice(8)}` as typeof topic.id };
  expect(() => decodeCursor(cursor, other)).toThrow(
    expect.objectContaining({
      code: 'UNKNOWN_TOPIC_ID',
      message: expect.stringContaining('is not of this topic "others"'),
    }),
  );
  for (const text of ['', '1', '2.00000000.0-1', `${cursor}x`, `${cursor}.0`, '1.00000000.0--1']) {
    expect(() => decodeCursor(text, topic), text).toThrow('is not a cursor');
  }
});
