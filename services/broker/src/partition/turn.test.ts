import { expect, test } from 'vitest';
import { TestClock } from '../test-broker.ts';
import { Turn } from './turn.ts';

test('all of a turn is flushed before anyone is answered, and streams send last', () => {
  const clock = new TestClock();
  const turn = new Turn(clock);
  const order: string[] = [];
  const member = (name: string) => ({
    flush: () => {
      order.push(`flush ${name}`);
      turn.advanced(known(name));
    },
    release: () => {
      order.push(`release ${name}`);
      turn.send(sends);
    },
  });
  const members = new Map(['a', 'b'].map((name) => [name, member(name)]));
  const known = (name: string) => members.get(name)!;
  const sends = (): void => void order.push('send');
  turn.appended(known('a'));
  turn.appended(known('b'));
  turn.appended(known('a'));
  expect(order).toEqual([]);
  clock.endTurns();
  expect(order).toEqual(['flush a', 'flush b', 'release a', 'release b', 'send']);
});

test('what comes too late for its phase has it in the next turn', () => {
  const clock = new TestClock();
  const turn = new Turn(clock);
  let flushes = 0;
  const member = { flush: () => void flushes++, release: () => {} };
  turn.send(() => turn.appended(member));
  clock.endTurns();
  expect(flushes).toBe(1);
});
