import fc from 'fast-check';
import { expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { placeReplicas } from './placement.ts';
import type { Candidate } from './placement.ts';

const candidate = (id: number, rack = ''): Candidate => ({ id: brokerId(id), rack });

test('brokers that are away follow where those that live are too few, and in turn', () => {
  const takers = { live: [candidate(2)], absent: [candidate(3), candidate(1), candidate(4)] };
  expect(placeReplicas(takers, { partitionCount: 4, replicationFactor: 3, start: 0 })).toEqual([
    [2, 1, 3],
    [2, 3, 4],
    [2, 4, 1],
    [2, 1, 3],
  ]);
  expect(placeReplicas(takers, { partitionCount: 2, replicationFactor: 1, start: 0 })).toEqual([[2], [2]]);
});

test('a rack that has none yet comes first among those that are away as well', () => {
  const takers = { live: [candidate(1, 'x')], absent: [candidate(2, 'x'), candidate(3, 'x'), candidate(4, 'y')] };
  const placed = placeReplicas(takers, { partitionCount: 6, replicationFactor: 2, start: 0 });
  expect(new Set(placed.map(String))).toEqual(new Set(['1,4']));
});

test('whoever lives or is away: leaders live and are spread, nobody has two, and nobody who is away goes before who lives', () => {
  const property = fc.property(
    fc.uniqueArray(fc.record({ id: fc.nat(30), rack: fc.constantFrom('', 'x', 'y', 'z'), lives: fc.boolean() }), {
      selector: ({ id }) => id,
      minLength: 1,
      maxLength: 8,
    }),
    fc.nat(20),
    fc.nat(),
    (brokers, start, factor) => {
      // Somebody has to live.
      brokers[0]!.lives = true;
      const of = (lives: boolean) =>
        brokers.filter((one) => one.lives === lives).map(({ id, rack }) => candidate(id, rack));
      const [live, absent] = [of(true), of(false)];
      const replicationFactor = 1 + (factor % brokers.length);
      const partitionCount = 3 * live.length;
      const placed = placeReplicas({ live, absent }, { partitionCount, replicationFactor, start });
      const livingIds = new Set<number>(live.map(({ id }) => id));
      const liveCount = Math.min(replicationFactor, live.length);
      for (const replicas of placed) {
        expect(new Set(replicas).size).toBe(replicationFactor);
        expect(replicas.map((id) => livingIds.has(id))).toEqual(replicas.map((_, i) => i < liveCount));
      }
      const leaders = Map.groupBy(placed, ([leader]) => leader!);
      expect([...leaders.values()].map(({ length }) => length)).toEqual(live.map(() => 3));
    },
  );
  expect(fc.defaultReportMessage(fc.check(property, { numRuns: 300 }))).toBeUndefined();
});
