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
  const broker = new TestReadiness();
  const { readiness, clock, warnings } = broker;
  readiness.recovered();
  readiness.told();
  broker.toTakeUp = 1;
  clock.advance(READY_FORCED_MS - 1);
  expect(readiness.problem).toBe('taking up partitions: 1 to go');
  clock.advance(1);
  expect([readiness.problem, readiness.forced]).toEqual([undefined, true]);
  expect(warnings).toEqual(['ready although 1 partitions could not be taken up for 10 minutes']);
  readiness.takenUp();
  expect([readiness.problem, readiness.forced]).toEqual([undefined, false]);
});

test('a broker that stops while it takes up partitions does not become ready later', () => {
  const { readiness, clock, warnings } = new TestReadiness();
  readiness.recovered();
  readiness.told();
  readiness.stop();
  clock.advance(READY_FORCED_MS);
  expect([readiness.problem, warnings]).toEqual(['stopping', []]);
});
