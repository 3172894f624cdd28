import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseProtocol, saysTheSame } from './choose-protocol.ts';
import { bytesOf } from './test-group.ts';

const ballot = (...names: string[]) => names.map((name) => ({ name, metadata: bytesOf(name) }));

test('the protocol that most members like best is chosen, of those that all support', () => {
  expect(chooseProtocol([ballot('a', 'b'), ballot('b', 'a'), ballot('b', 'a')])).toBe('b');
  expect(chooseProtocol([ballot('x', 'b', 'a'), ballot('x', 'a', 'b'), ballot('a', 'b')])).toBe('a');
  expect(chooseProtocol([ballot('a', 'b'), ballot('b', 'a')])).toBe('a');
  expect(chooseProtocol([ballot('a', 'a', 'b'), ballot('b')])).toBe('b');
});

test('without a protocol that all support none is chosen', () => {
  expect(() => chooseProtocol([ballot('a'), ballot('b')])).toThrow('no protocol is common');
  expect(() => chooseProtocol([])).toThrow('without members');
});

test('whatever is chosen is supported by all, and no common one has more votes', () => {
  const names = fc.shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 1 });
  fc.assert(
    fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), (lists) => {
      const ballots = lists.map((list) => [...list, ...(list.includes('a') ? [] : ['a'])]);
      const common = ['a', 'b', 'c', 'd'].filter((name) => ballots.every((list) => list.includes(name)));
      const votes = (name: string) =>
        ballots.filter((list) => list.find((one) => common.includes(one)) === name).length;
      const chosen = chooseProtocol(ballots.map((list) => ballot(...list)));
      expect(common).toContain(chosen);
      expect(votes(chosen)).toBe(Math.max(...common.map(votes)));
    }),
  );
});

test('members say the same if they name the same protocols in the same order with the same bytes', () => {
  const same = (one: string, other: string): boolean =>
    saysTheSame(ballot(...one.split(',')), ballot(...other.split(',')));
  expect(same('a,b', 'a,b')).toBe(true);
  expect(same('a,b', 'b,a')).toBe(false);
  expect(same('a,b', 'a')).toBe(false);
  const [one, other] = ['x', 'y'].map((text) => [{ name: 'a', metadata: bytesOf(text) }]);
  expect(saysTheSame(one!, other!)).toBe(false);
  expect(saysTheSame(one!, [{ name: 'a', metadata: bytesOf('xy') }])).toBe(false);
});
