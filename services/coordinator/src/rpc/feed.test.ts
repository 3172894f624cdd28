import { expect, test } from 'vitest';
import { DELTA_QUEUE_MAX, SNAPSHOT_PAGE_CHANGES_MAX } from '@weir/base/limits.ts';
import type { Revision } from '@weir/base/ids.ts';
import type { SessionResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { TestController } from '../controller/test-controller.ts';
import { Feed } from './feed.ts';
import { deltaMessage, welcomeMessage } from './messages.ts';

/** A stream that takes so many messages before it is full. */
function setUp(room: number) {
  const controller = new TestController();
  controller.register(1);
  const sent: SessionResponse['response'][] = [];
  const state = { room, snapshots: 0 };
  const stream = {
    send(message: SessionResponse) {
      sent.push(message.response);
      return --state.room > 0;
    },
    end() {},
    abort() {},
  };
  const feed = new Feed(stream, controller.image, () => void state.snapshots++);
  const begin = (): void =>
    feed.begin(welcomeMessage({ clusterId: 'c', sessionId: '', sessionTimeoutMs: 0, brokerEpoch: 0 }));
  const publish = (revision: number): void =>
    feed.publish({ revision: revision as Revision, message: deltaMessage(revision as Revision, []) });
  const drain = (more: number): void => {
    state.room = more;
    feed.drained();
  };
  return { controller, sent, state, feed, begin, publish, drain, kinds: () => sent.map((message) => message.case) };
}

const revisions = (sent: readonly SessionResponse['response'][]): number[] =>
  sent.flatMap((message) => (message.case === 'delta' ? [Number(message.value.revision)] : []));

test('a follower gets a welcome, the whole image with topics behind their partitions, and then the deltas', () => {
  const { controller, sent, begin, publish, kinds } = setUp(100);
  controller.createTopics([{ name: 'a', partitionCount: 2 }]);
  begin();
  publish(10);
  expect(kinds()).toEqual(['welcome', 'snapshotPage', 'delta']);
  const page = sent[1];
  const changes = page?.case === 'snapshotPage' ? page.value.changes.map(({ change }) => change.case) : [];
  expect(changes).toEqual(['brokerConfigs', 'broker', 'partition', 'partition', 'topic']);
});

test('a large image comes in pages back to back, of which the last says so', () => {
  const { controller, sent, begin, publish, drain, kinds } = setUp(2);
  controller.createTopics([{ name: 'a', partitionCount: SNAPSHOT_PAGE_CHANGES_MAX }]);
  begin();
  publish(1000);
  expect(kinds()).toEqual(['welcome', 'snapshotPage']);
  drain(10);
  expect(kinds()).toEqual(['welcome', 'snapshotPage', 'snapshotPage', 'delta']);
  const last = sent.flatMap((message) => (message.case === 'snapshotPage' ? [message.value.last] : []));
  expect(last).toEqual([false, true]);
});

test('deltas wait for a slow reader in order', () => {
  const { sent, begin, publish, drain } = setUp(2);
  begin();
  for (let i = 1; i <= DELTA_QUEUE_MAX; i++) publish(i);
  drain(DELTA_QUEUE_MAX + 1);
  expect(revisions(sent)).toEqual(Array.from({ length: DELTA_QUEUE_MAX }, (_, i) => i + 1));
});

test('a reader that is too slow gets a new snapshot, and no delta twice', () => {
  const { sent, begin, publish, drain, kinds, state } = setUp(2);
  begin();
  for (let i = 1; i <= 3 * DELTA_QUEUE_MAX; i++) publish(i);
  expect(sent).toHaveLength(2);
  drain(2);
  publish(5000);
  drain(10);
  expect(kinds()).toEqual(['welcome', 'snapshotPage', 'snapshotPage', 'delta']);
  expect(revisions(sent)).toEqual([5000]);
  expect(state.snapshots).toBe(2);
});

test('of the heartbeat answers that a slow reader did not take the newest alone is sent', () => {
  const { sent, feed, begin, drain, kinds } = setUp(2);
  begin();
  for (let i = 1n; i <= 1000n; i++) feed.answerHeartbeat(i);
  drain(10);
  expect(kinds()).toEqual(['welcome', 'snapshotPage', 'heartbeatAnswer']);
  expect(sent[2]).toMatchObject({ value: { sequence: 1000n } });
});
