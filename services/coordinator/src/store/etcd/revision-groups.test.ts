import fc from 'fast-check';
import { expect, test } from 'vitest';
import { revision } from '@weir/base/ids.ts';
import type { Revised } from '../metadata-store.ts';
import { RevisionGroups } from './revision-groups.ts';

const event = (key: string) => ({ kind: 'delete', key }) as const;

test('however answers are cut into fragments and repeated, each revision comes once and whole', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, fc.array(fc.nat(6), { maxLength: 20 }), fc.nat(5), (counts, cuts, position) => {
      const revisions: Revised[] = counts.map((count, i) => ({
        revision: revision(2 * i + 1),
        events: Array.from({ length: count }, (_, j) => event(`/${i}/${j}`)),
      }));
      const flat = revisions.flatMap(({ revision: at, events }) => events.map((one) => ({ revision: at, event: one })));
      const groups = new RevisionGroups(position);
      const told: Revised[] = [];
      // One answer in fragments, and then the same once more, as after a server's mistake.
      let rest = flat;
      for (const cut of cuts) {
        told.push(...groups.add(rest.slice(0, cut), true));
        rest = rest.slice(cut);
      }
      told.push(...groups.add(rest, false), ...groups.add(flat, false));
      expect(told).toEqual(revisions.filter(({ revision: at }) => at > position));
    }),
  );
});

test('a revision that is not whole yet is held back', () => {
  const groups = new RevisionGroups(0);
  expect(groups.add([{ revision: revision(1), event: event('/a') }], true)).toEqual([]);
  expect(groups.add([{ revision: revision(1), event: event('/b') }], false)).toEqual([
    { revision: 1, events: [event('/a'), event('/b')] },
  ]);
});

test('a revision that comes behind a later one is not taken', () => {
  const groups = new RevisionGroups(0);
  const disordered = [
    { revision: revision(4), event: event('/b') },
    { revision: revision(3), event: event('/c') },
  ];
  expect(() => groups.add(disordered, false)).toThrow('etcd told revision 3 behind 4');
});
