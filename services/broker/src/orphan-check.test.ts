import { expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import { topicId } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';
import { ORPHAN_CHECK_RETRY_MS } from '@weir/base/limits.ts';
import { TopicIdState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Logger } from '@weir/runtime/world.ts';
import { OrphanCheck } from './orphan-check.ts';
import { TestClock } from './test-broker.ts';

const id = (digit: number): TopicId => topicId(`0a1b2c3d-0000-4000-8000-00000000000${digit}`);

function setUp(answer: (ids: readonly TopicId[]) => Promise<readonly TopicIdState[]>) {
  const clock = new TestClock();
  const said: string[] = [];
  const state = { orphans: [id(1), id(2), id(3)], deleted: [] as TopicId[], asked: 0 };
  const say = (facts: object): void => void said.push(JSON.stringify(facts));
  const check = new OrphanCheck({
    clock,
    logger: { warn: say, info() {}, debug() {} } as unknown as Logger,
    orphans: () => state.orphans,
    ask: (ids) => {
      state.asked++;
      return answer(ids);
    },
    deleted: (gone) => void state.deleted.push(gone),
  });
  return { check, clock, state, said };
}

/** Lets promises that are settled be heard. */
const heard = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what was deleted goes, what exists is waited for, and what nobody knows stays and is told', async () => {
  const { DELETED, EXISTS, UNKNOWN } = TopicIdState;
  const { check, state, said } = setUp(() => Promise.resolve([DELETED, EXISTS, UNKNOWN]));
  check.check();
  await heard();
  expect(state.deleted).toEqual([id(1)]);
  expect(said).toEqual([JSON.stringify({ topics: 1, ids: [id(3)] })]);
});

test('an answer that is too short, or says nothing, removes nothing', async () => {
  const { check, state, said } = setUp(() => Promise.resolve([TopicIdState.UNSPECIFIED]));
  check.check();
  await heard();
  expect(state.deleted).toEqual([]);
  expect(said).toHaveLength(1);
});

test('without an answer nothing goes, and it is asked again', async () => {
  let fails = true;
  const { check, clock, state } = setUp((ids) =>
    fails
      ? Promise.reject(new WeirError('COORDINATOR_UNAVAILABLE', 'away'))
      : Promise.resolve(ids.map(() => TopicIdState.DELETED)),
  );
  check.check();
  await heard();
  expect([state.asked, state.deleted.length]).toEqual([1, 0]);
  fails = false;
  clock.advance(ORPHAN_CHECK_RETRY_MS);
  await heard();
  expect([state.asked, state.deleted.length]).toEqual([2, 3]);
});

test('a refusal is told once, until the next snapshot asks anew', async () => {
  const { check, clock, state, said } = setUp(() => Promise.reject(new WeirError('INVALID_REQUEST', 'no')));
  check.check();
  await heard();
  clock.advance(10 * ORPHAN_CHECK_RETRY_MS);
  await heard();
  expect([state.asked, said.length]).toEqual([1, 1]);
  check.check();
  await heard();
  expect(state.asked).toBe(2);
});

test('snapshots that come while one is being asked about cost one more question', async () => {
  const { check, state } = setUp((ids) => Promise.resolve(ids.map(() => TopicIdState.EXISTS)));
  for (let i = 0; i < 5; i++) check.check();
  await heard();
  expect(state.asked).toBe(2);
  state.orphans = [];
  check.check();
  await heard();
  expect(state.asked).toBe(2);
});
