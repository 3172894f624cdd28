import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PRODUCER_BATCHES_KEPT } from '@weir/base/limits.ts';
import { offset } from '@weir/base/ids.ts';
import { writeBaseOffset } from '@weir/records/batch-header.ts';
import { encodeStored } from '../stored-file.ts';
import { asProducers, makeBatch } from '../test-kit.ts';
import { admission } from './admission.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import { JUST_SEEN, ProducerStates } from './producer-states.ts';

const SEQUENCE_MAX = 2 ** 31 - 1;

/** A batch of so many records from a sequence number on. */
function batchOf(sequence: number, count = 1, { producerId = 7, epoch = 0 } = {}): Buffer {
  return asProducers(makeBatch(Array.from({ length: count }, () => 5)), { producerId, epoch, sequence });
}

/** States behind batches that were appended from offset 0 on. */
function statesBehind(...batches: Buffer[]): ProducerStates {
  const states = new ProducerStates();
  let base = 0;
  for (const batch of batches) {
    writeBaseOffset(batch, 0, offset(base));
    base += batch.readInt32BE(57);
    states.replay(batch, 0);
  }
  return states;
}

/** "append", "duplicate at …", or the refusal's code. */
function judge(states: ProducerStates, batch: Buffer): string {
  const judged = admission(states.get(7), 7, batch);
  if (judged === undefined) return 'append';
  return 'code' in judged ? judged.code : `duplicate ${judged.baseOffset} to ${judged.endOffset}`;
}

test('a producer that is not known may begin anywhere', () => {
  expect(judge(new ProducerStates(), batchOf(0))).toBe('append');
  expect(judge(new ProducerStates(), batchOf(41, 3))).toBe('append');
});

test('a batch follows the last one of its epoch, and is a duplicate when it is one of the last five', () => {
  const sizes = [2, 3, 1, 4, 1, 2];
  const firsts = [0, 2, 5, 6, 10, 11];
  const states = statesBehind(...sizes.map((size, i) => batchOf(firsts[i]!, size)));
  expect(judge(states, batchOf(13, 9))).toBe('append');
  expect(judge(states, batchOf(14))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  for (const i of [1, 2, 3, 4, 5]) {
    expect(judge(states, batchOf(firsts[i]!, sizes[i]))).toBe(`duplicate ${firsts[i]!} to ${firsts[i]! + sizes[i]!}`);
  }
  // Too old to be told, and the same first number with another last one.
  expect(judge(states, batchOf(0, 2))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  expect(judge(states, batchOf(11, 1))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
});

test('an older epoch is refused, a newer one begins at 0 and forgets the batches of the older one', () => {
  const states = statesBehind(batchOf(0, 2, { epoch: 3 }));
  expect(judge(states, batchOf(2, 1, { epoch: 2 }))).toBe('INVALID_PRODUCER_EPOCH');
  expect(judge(states, batchOf(2, 1, { epoch: 4 }))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
  expect(judge(states, batchOf(0, 2, { epoch: 4 }))).toBe('append');
  const next = statesBehind(batchOf(0, 2, { epoch: 3 }), batchOf(0, 2, { epoch: 4 }));
  expect(judge(next, batchOf(0, 2, { epoch: 4 }))).toBe('duplicate 2 to 4');
  expect(judge(next, batchOf(0, 2, { epoch: 3 }))).toBe('INVALID_PRODUCER_EPOCH');
});

test('sequence numbers go on at 0 behind the largest one, also within a batch', () => {
  expect(judge(statesBehind(batchOf(SEQUENCE_MAX)), batchOf(0))).toBe('append');
  expect(judge(statesBehind(batchOf(SEQUENCE_MAX)), batchOf(SEQUENCE_MAX))).toBe('duplicate 0 to 1');
  const around = statesBehind(batchOf(SEQUENCE_MAX - 1, 4));
  expect(around.get(7)!.batches[0]).toMatchObject({ firstSequence: SEQUENCE_MAX - 1, lastSequence: 1 });
  expect(judge(around, batchOf(2))).toBe('append');
  expect(judge(around, batchOf(SEQUENCE_MAX - 1, 4))).toBe('duplicate 0 to 4');
});

test('a batch that no idempotent producer wrote changes nothing', () => {
  const states = statesBehind(makeBatch([1]), batchOf(0), makeBatch([1]));
  expect(states.size).toBe(1);
  expect(states.get(7)!.batches).toEqual([
    { firstSequence: 0, lastSequence: 0, firstOffset: 1, lastOffset: 1, timestampMs: 5 },
  ]);
});

test('who is silent for as long as a producer is remembered is forgotten, whatever the timestamps of its records', () => {
  const states = statesBehind(batchOf(0), batchOf(0, 1, { producerId: 8 }));
  states.expire(10_000, 100);
  expect(states.size).toBe(2);
  states.expire(10_099, 100);
  writeBaseOffset(batchOf(1), 0, offset(2));
  states.replay(batchOf(1), 0);
  states.expire(10_100, 100);
  expect([states.get(7)?.seenMs, states.get(8)]).toEqual([10_100, undefined]);
  // A clock that was set back forgets nobody.
  states.expire(5, 100);
  expect(states.size).toBe(1);
  states.expire(10_200, 100);
  expect(states.size).toBe(0);
});

test('of more producers than a log remembers the one that is idle longest goes', () => {
  const states = new ProducerStates(2);
  for (const producerId of [1, 2, 1, 3, 3]) states.replay(batchOf(0, 1, { producerId }), 0);
  expect([...states.entries()].map(([producerId]) => producerId)).toEqual([1, 3]);
});

const history = fc.array(
  fc.record({
    producerId: fc.nat(3),
    epoch: fc.nat(2),
    sequence: fc.constantFrom(0, 5, SEQUENCE_MAX),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 30 },
);

/** With the epochs of each producer in order, as they are in a log. */
function batchesOf(entries: typeof history extends fc.Arbitrary<infer T> ? T : never): Buffer[] {
  let base = 0;
  const epochs = [0, 0, 0, 0];
  return entries.map(({ producerId, epoch, sequence, count }) => {
    const latest = Math.max(epochs[producerId]!, epoch);
    epochs[producerId] = latest;
    const batch = batchOf(sequence, count, { producerId, epoch: latest });
    writeBaseOffset(batch, 0, offset(base));
    base += count;
    return batch;
  });
}

function contents(states: ProducerStates): unknown[] {
  return [...states.entries()];
}

test('a snapshot says the same as what it was made of, in the same order, and no bit of it changes in silence', () => {
  fc.assert(
    fc.property(history, fc.nat(), fc.nat(7), fc.option(fc.nat(10 ** 13)), (entries, place, bit, nowMs) => {
      const states = statesBehind(...batchesOf(entries));
      if (nowMs !== null) states.expire(nowMs, 1);
      const bytes = encodeSnapshot(offset(99), states);
      expect(contents(decodeSnapshot('f', offset(99), bytes)!)).toEqual(contents(states));
      expect(decodeSnapshot('f', offset(98), bytes)).toBeUndefined();
      expect(decodeSnapshot('f', offset(99), bytes.subarray(0, place % bytes.length))).toBeUndefined();
      bytes[place % bytes.length]! ^= 1 << bit;
      expect(decodeSnapshot('f', offset(99), bytes)).toBeUndefined();
    }),
  );
});

test('a snapshot of a newer Weir is refused by its name', () => {
  const newer = encodeStored({ magic: 'WPRS', version: 9, name: 'producer snapshot' }, Buffer.alloc(12));
  expect(() => decodeSnapshot('a/b', offset(0), newer)).toThrow(
    'a/b is a producer snapshot of format version 9; this Weir knows versions up to 1',
  );
});

test('what was replayed from a place in front of a snapshot on can be put on top of it', () => {
  fc.assert(
    fc.property(history, fc.nat(), fc.nat(), (entries, a, b) => {
      const batches = batchesOf(entries);
      const from = a % (batches.length + 1);
      const at = from + (b % (batches.length + 1 - from));
      const states = new ProducerStates();
      for (const batch of batches.slice(0, at)) states.replay(batch, 0);
      const scanned = new ProducerStates();
      for (const batch of batches.slice(from)) scanned.replay(batch, 0);
      states.merge(scanned, offset(at === batches.length ? 10 ** 6 : Number(batches[at]!.readBigInt64BE(0))));
      const expected = new ProducerStates();
      for (const batch of batches) expected.replay(batch, 0);
      expect(contents(states)).toEqual(contents(expected));
      for (const [, { batches: kept, seenMs }] of states.entries()) {
        expect(kept.length).toBeLessThanOrEqual(PRODUCER_BATCHES_KEPT);
        expect(seenMs).toBe(JUST_SEEN);
      }
    }),
  );
});
