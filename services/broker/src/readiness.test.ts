import { expect, test } from 'vitest';
import { READY_FORCED_MS } from '@weir/base/limits.ts';
import { Readiness } from './readiness.ts';
import { TestClock } from './test-broker.ts';

/** Of a broker that has `toTakeUp` partitions to take up. */
class TestReadiness {
  readonly clock = new TestClock();
  readonly warnings: string[] = [];
  toTakeUp = 3;
  readonly readiness = new Readiness({
    clock: this.clock,
    logger: { warn: (line: unknown) => void this.warnings.push(String(line)) },
    toTakeUp: () => this.toTakeUp,
  });
}

test('a broker is ready once it is registered and has taken up its partitions, and says what it waits for', () => {
  const { readiness } = new TestReadiness();
  expect(readiness.problem).toBe('recovering');
  readiness.recovered();
  expect(readiness.problem).toBe('not registered with a coordinator yet');
  readiness.refused('DUPLICATE_BROKER_ID');
  expect(readiness.problem).toBe('not registered: DUPLICATE_BROKER_ID');
  // Nothing to do yet is not the same as all done.
  readiness.takenUp();
  expect(readiness.problem).toContain('not registered');
  readiness.told();
  expect(readiness.problem).toBe('taking up partitions: 3 to go');
  readiness.takenUp();
  expect([readiness.problem, readiness.forced]).toEqual([undefined, false]);
});

test('what happens once it was ready changes nothing until it stops', () => {
  const { readiness, clock, warnings } = new TestReadiness();
  readiness.recovered();
  readiness.told();
  readiness.takenUp();
  readiness.refused('COORDINATOR_UNAVAILABLE');
  readiness.told();
  clock.advance(2 * READY_FORCED_MS);
  expect([readiness.problem, readiness.forced, warnings]).toEqual([undefined, false, []]);
  readiness.stop();
  readiness.takenUp();
  expect(readiness.problem).toBe('stopping');
});

test('partitions that cannot be taken up keep it from being ready for so long and no longer, and it says so', () => {
  const test = new TestReadiness();
  test.readiness.recovered();
  test.readiness.told();
  test.toTakeUp = 1;
  test.clock.advance(READY_FORCED_MS - 1);
  expect(test.readiness.problem).toBe('taking up partitions: 1 to go');
  test.clock.advance(1);
  expect([test.readiness.problem, test.readiness.forced]).toEqual([undefined, true]);
  expect(test.warnings).toEqual(['ready although 1 partitions could not be taken up for 10 minutes']);
  test.readiness.takenUp();
  expect([test.readiness.problem, test.readiness.forced]).toEqual([undefined, false]);
});

test('a broker that stops while it takes up partitions does not become ready later', () => {
  const { readiness, clock, warnings } = new TestReadiness();
  readiness.recovered();
  readiness.told();
  readiness.stop();
  clock.advance(READY_FORCED_MS);
  expect([readiness.problem, warnings]).toEqual(['stopping', []]);
});
