import { expect, test } from 'vitest';
import { leaseId } from '@weir/base/ids.ts';
import { WRITE_RETRY_MS } from '@weir/base/limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { Leases } from './leases.ts';

const ID = leaseId(1);

function setUp() {
  const clock = new ManualClock();
  const over: string[] = [];
  const ended = { immediately: true };
  const leases = new Leases(clock, (id) => {
    over.push(`${id}@${clock.monotonicMs() - 1_000}`);
    if (ended.immediately) leases.end(id);
  });
  return { clock, over, leases, ended };
}

test('leases end in the order of their times, each at its own', async () => {
  const { clock, over, leases } = setUp();
  leases.begin(leaseId(1), 5_000);
  leases.begin(leaseId(2), 2_000);
  leases.begin(leaseId(3), 2_050);
  await clock.advance(10_000);
  expect(over).toEqual(['2@2000', '3@2050', '1@5000']);
  expect(leases.keepAlive(ID)).toBe(false);
});

test('a lease that is kept alive has its whole time from then on', async () => {
  const { clock, over, leases } = setUp();
  leases.begin(ID, 2_000);
  await clock.advance(1_999);
  expect(leases.keepAlive(ID)).toBe(true);
  await clock.advance(1_999);
  expect(over).toEqual([]);
  await clock.advance(1);
  expect(over).toEqual(['1@3999']);
});

test('a lease that could not be ended comes again, and may be kept alive until it is', async () => {
  const { clock, over, leases, ended } = setUp();
  ended.immediately = false;
  leases.begin(ID, 2_000);
  await clock.advance(2_000 + WRITE_RETRY_MS);
  expect(over).toEqual(['1@2000', `1@${2_000 + WRITE_RETRY_MS}`]);
  expect(leases.keepAlive(ID)).toBe(true);
  await clock.advance(1_999);
  expect(over).toHaveLength(2);
});

test('after the process did not run for a while, leases have their whole time again', async () => {
  const { clock, over, leases } = setUp();
  leases.begin(ID, 2_000);
  await clock.advance(1_500);
  // As after SIGSTOP: the timer fires ten seconds late.
  clock.oversleep(10_000);
  await clock.advance(0);
  expect(over).toEqual([]);
  await clock.advance(1_999);
  expect(over).toEqual([]);
  await clock.advance(1);
  expect(over).toEqual(['1@13500']);
});

test('all of them can have their whole time again at once', async () => {
  const { clock, over, leases } = setUp();
  leases.begin(ID, 2_000);
  leases.begin(leaseId(2), 3_000);
  await clock.advance(1_999);
  leases.keepAllAlive();
  await clock.advance(3_000);
  expect(over).toEqual(['1@3999', '2@4999']);
});
