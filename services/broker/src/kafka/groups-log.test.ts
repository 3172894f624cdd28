import { assert } from '@weir/base/assert.ts';
import { GROUP_TICK_MS, OFFSETS_RETENTION_CHECK_MS } from '@weir/base/group-limits.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { Log } from '@weir/log/log.ts';
import { expect, test, vi } from 'vitest';
import { heartbeatOf } from '../group/group-calls.ts';
import type { GroupError } from '../group/group-error.ts';
import { GroupShard } from '../group/group-shard.ts';
import { doorOfGroups, leadGroups, offsetOf, TestConsumer } from './group-test-kit.ts';

const [UNKNOWN_MEMBER, INVALID_SESSION_TIMEOUT] = [25, 26];

test('while a shard loads heartbeats are fine, and from then on a silent member has one session timeout', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  leadGroups(door, 1, 2);
  await door.settle();
  leadGroups(door, 2);
  const { memberId, generation } = consumer;
  expect(door.groups.shardOf('g')).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  expect(heartbeatOf(door.groups, 'g', { memberId, generation, instanceId: undefined })).toBe('NONE');
  await door.settle();
  expect(door.groups.shardOf('g')).toBeInstanceOf(GroupShard);
  for (let ms = 0; ms <= 10_000; ms += GROUP_TICK_MS) await door.pass(GROUP_TICK_MS);
  expect(await consumer.heartbeat()).toBe(UNKNOWN_MEMBER);
});

test('what is written in a turn goes in as few batches as it fits, and what fits none is refused alone', async () => {
  const door = await doorOfGroups({ appendPendingBytesMax: 8 * 1024 * 1024 });
  const shard = door.groups.shardOf('g');
  assert(shard instanceof GroupShard, 'it has loaded');
  const committed = {
    offset: 3,
    leaderEpoch: 0,
    metadata: 'x'.repeat(4_000),
    committedMs: 0,
    expiresMs: undefined,
    topicId: undefined,
  };
  const answers = new Map<string, GroupError>();
  const commit = (group: string, partitions: number): void => {
    const places = Array.from({ length: partitions }, (_, partition) => ({ topic: 'orders', partition, committed }));
    shard.commit(group, places, (error) => answers.set(group, error));
  };
  const appends = vi.spyOn(Log.prototype, 'append');
  for (let i = 0; i < 200; i++) commit(`before ${i}`, 1);
  commit('large', 400);
  for (let i = 0; i < 200; i++) commit(`after ${i}`, 1);
  await door.settle();
  expect(appends).toHaveBeenCalledTimes(2);
  appends.mockRestore();
  expect(answers.size).toBe(401);
  expect([...answers].filter(([, error]) => error !== 'NONE')).toEqual([['large', 'INVALID_COMMIT_OFFSET_SIZE']]);
  expect([await offsetOf(door.connect(), 'after 199'), await offsetOf(door.connect(), 'large')]).toEqual([3, -1]);
});

test('nothing is kept of a group that nobody could join', async () => {
  const door = await doorOfGroups();
  const joining = {
    groupId: 'g',
    sessionTimeoutMs: 1,
    rebalanceTimeoutMs: 1,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    reason: null,
  };
  expect(await door.connect().ask(joinGroup, 9, joining)).toMatchObject({ errorCode: INVALID_SESSION_TIMEOUT });
  expect(door.groups.shardOf('g')).toMatchObject({ size: 0 });
});

test('an old client says how long its offset is kept', async () => {
  const door = await doorOfGroups();
  const { client } = new TestConsumer(door);
  const partitions = [{ partitionIndex: 0, committedOffset: 3, committedMetadata: '' }];
  const request = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', retentionTimeMs: 60_000 };
  await client.ask(offsetCommit, 3, { ...request, topics: [{ name: 'orders', partitions }] });
  expect(await offsetOf(client)).toBe(3);
  await door.pass(OFFSETS_RETENTION_CHECK_MS + 1);
  expect(await offsetOf(door.connect())).toBe(-1);
});

test('offsets expire, however many they are', async () => {
  const door = await doorOfGroups({ appendPendingBytesMax: 8 * 1024 * 1024 });
  const shard = door.groups.shardOf('g');
  assert(shard instanceof GroupShard, 'it has loaded');
  const group = 'g'.repeat(200);
  const count = 6_000;
  const committed = { offset: 3, leaderEpoch: 0, metadata: '', committedMs: 0, expiresMs: 1, topicId: undefined };
  for (let partition = 0; partition < count; partition += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, i) => ({ topic: 'orders', partition: partition + i, committed }));
    shard.commit(group, some, (error) => expect(error).toBe('NONE'));
  }
  await door.settle();
  const left = (): number => [...shard.groups()].reduce((sum, { offsets }) => sum + offsets.size, 0);
  expect(left()).toBe(count);
  await door.pass(OFFSETS_RETENTION_CHECK_MS + 1);
  expect(left()).toBe(0);
});
