import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantViolation } from './assert.ts';
import { Members } from './members.ts';

test('it has what was added and not removed, as a set does', () => {
  const step = fc.record({ does: fc.constantFrom('add', 'add', 'remove', 'remove', 'takeAll'), who: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const all = Array.from({ length: 10 }, (_, name) => ({ name, memberIndex: -1 }));
      const members = new Members<(typeof all)[number]>();
      const model = new Set<number>();
      for (const { does, who } of steps) {
        if (does === 'takeAll') {
          // What it leaves out stays in the model, and is missed below.
          for (const { name } of members.takeAll()) model.delete(name);
        } else if (does === 'remove') {
          members.remove(all[who]!);
          model.delete(who);
        } else if (!model.has(who)) {
          members.add(all[who]!);
          model.add(who);
        }
        expect(members.size).toBe(model.size);
        expect(new Set(all.filter((member) => members.has(member)).map(({ name }) => name))).toEqual(model);
        expect(new Set(members.snapshot().map(({ name }) => name))).toEqual(model);
      }
    }),
  );
});

test('what is in another list is not taken out of this one', () => {
  const [one, other] = [new Members(), new Members()];
  const member = { memberIndex: -1 };
  one.add(member);
  other.add({ memberIndex: -1 });
  other.remove(member);
  expect(one.size).toBe(1);
  expect(other.size).toBe(1);
});

test('nothing is in two lists', () => {
  const member = { memberIndex: -1 };
  new Members().add(member);
  expect(() => new Members().add(member)).toThrow(InvariantViolation);
});
