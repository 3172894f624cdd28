import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantViolation } from './assert.ts';
import { Members } from './members.ts';

test('it has what was added and not removed, as a set does', () => {
  const step = fc.record({ adds: fc.boolean(), who: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const all = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
      const members = new Members<(typeof all)[number]>();
      const model = new Set<number>();
      for (const { adds, who } of steps) {
        if (!adds) {
          members.remove(all[who]!);
          model.delete(who);
        } else if (!model.has(who)) {
          members.add(all[who]!);
          model.add(who);
        }
        expect(members.size).toBe(model.size);
        expect(new Set(members.snapshot().map(({ name }) => name))).toEqual(model);
      }
    }),
  );
});

test('what is in another list is not taken out of this one', () => {
  const [one, other] = [new Members(), new Members()];
  const member = { place: -1 };
  one.add(member);
  other.add({ place: -1 });
  other.remove(member);
  expect(one.size).toBe(1);
  expect(other.size).toBe(1);
});

test('nothing is in two lists', () => {
  const member = { place: -1 };
  new Members().add(member);
  expect(() => new Members().add(member)).toThrow(InvariantViolation);
});
