import { create } from '@bufbuild/protobuf';
import { assert } from '@weir/base/assert.ts';
import {
  GROUP_TICK_MS,
  OFFSET_METADATA_BYTES_MAX,
  OFFSETS_RETENTION_CHECK_MS,
  OFFSETS_RETENTION_MS,
} from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { WeirError } from '@weir/base/errors.ts';
import { deleteGroups } from '@weir/kafka/apis/delete-groups.ts';
import { describeGroups } from '@weir/kafka/apis/describe-groups.ts';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { listGroups } from '@weir/kafka/apis/list-groups.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetDelete } from '@weir/kafka/apis/offset-delete.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { encodeGroupMetadataKey } from '@weir/kafka/records/keys.ts';
import { Log } from '@weir/log/log.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { ChangeSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { expect, test, vi } from 'vitest';
import { Partition } from '../partition/partition.ts';
import { batchOf, changesOf, TOPIC_ID_BYTES } from '../test-broker.ts';
import { doorOfGroups, leadGroups, offsetOf, subscriptionTo, TestConsumer } from './group-test-kit.ts';
import { OTHER_ID_BYTES, TestDoor, topicData } from './test-door.ts';

const [NOT_COORDINATOR, UNKNOWN_MEMBER, ILLEGAL_GENERATION, REBALANCES] = [16, 25, 22, 27];

/** Two members of a generation, the leader first. */
async function pair(door: TestDoor): Promise<[TestConsumer, TestConsumer]> {
  const [first, second] = [new TestConsumer(door), new TestConsumer(door)];
  expect(await first.join(door)).toBe(0);
  await first.sync();
  expect(await second.join(door)).toBeUndefined();
  expect(await first.heartbeat()).toBe(REBALANCES);
  first.sendJoin();
  await door.settle();
  expect([first.joined(), second.joined()]).toEqual([0, 0]);
  return [first, second];
}

test('the first that looks for a coordinator has the offsets topic created, and is told who leads', async () => {
  const door = await TestDoor.open();
  door.coordinator.answer = () => {
    leadGroups(door, 0);
    return { results: [{ name: OFFSETS_TOPIC, code: 'NONE', message: '', revision: 0n }] };
  };
  const client = door.connect();
  const found = await client.ask(findCoordinator, 6, { keyType: 0, coordinatorKeys: ['g', ''] });
  expect(found.coordinators).toEqual([
    { key: 'g', nodeId: 1, host: 'broker-1', port: 9092, errorCode: 0, errorMessage: null },
    expect.objectContaining({ key: '', nodeId: -1, errorCode: 24 }),
  ]);
  expect(door.coordinator.calls).toMatchObject([
    { method: 'CreateTopics', request: { internal: true, topics: [{ name: OFFSETS_TOPIC }] } },
  ]);
  expect(await client.ask(findCoordinator, 0, { key: 'other' })).toMatchObject({ errorCode: 0, nodeId: 1 });
  expect(door.coordinator.calls).toHaveLength(1);
});

test('while there is no offsets topic a coordinator is not available, and it is said why', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const code = 'COORDINATOR_NOT_AVAILABLE';
  door.coordinator.answer = () => ({ results: [{ code, message: '2 brokers are there', revision: 0n }] });
  const few = await client.ask(findCoordinator, 3, { key: 'g', keyType: 0 });
  expect(few).toMatchObject({ errorCode: 15, errorMessage: '2 brokers are there', nodeId: -1 });
  door.coordinator.answer = () => {
    throw new WeirError('COORDINATOR_UNAVAILABLE', 'away');
  };
  expect(await client.ask(findCoordinator, 3, { key: 'g', keyType: 0 })).toMatchObject({ errorCode: 15 });
  expect(await client.ask(findCoordinator, 3, { key: 't', keyType: 1 })).toMatchObject({ errorCode: 15 });
  leadGroups(door, 0, -1);
  const leaderless = await client.ask(findCoordinator, 3, { key: 'g', keyType: 0 });
  expect(leaderless).toMatchObject({ errorCode: 15, errorMessage: expect.stringContaining('nobody leads') });
});

test('members join, are assigned what their leader says, and are told when they have to join anew', async () => {
  const door = await doorOfGroups();
  const [leader, other] = await pair(door);
  expect([leader.isLeader, other.isLeader, leader.generation, other.generation]).toEqual([true, false, 2, 2]);
  const [first, second] = await Promise.all([leader.sync(), other.sync()]);
  expect([first, second].map(({ assignment }) => assignment.toString())).toEqual(
    leader.members
      .map((_, i) => `part ${i}`)
      .toSorted((a, b) => Number(leader.members[0] !== leader.memberId) * (a < b ? 1 : -1)),
  );
  expect([await leader.heartbeat(), await other.heartbeat()]).toEqual([0, 0]);
  expect(await other.leave()).toBe(0);
  expect([await leader.heartbeat(), await other.heartbeat()]).toEqual([REBALANCES, UNKNOWN_MEMBER]);
});

test('a commit is answered once it is stored, and read from then on', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  consumer.sendCommit(17, { metadata: 'so far' });
  await door.settleWithoutDisk();
  expect(consumer.committed()).toBeUndefined();
  const client = door.connect();
  client.send(offsetFetch, 9, {
    groups: [{ groupId: 'g', topics: [{ name: 'orders', partitionIndexes: [0, 5] }] }],
  });
  await door.settleWithoutDisk();
  const [early] = client.take();
  expect(early!.response.groups[0].topics[0].partitions[0]).toMatchObject({ committedOffset: -1 });
  await door.settle();
  expect(consumer.committed()).toBe(0);
  const groups = [{ groupId: 'g', topics: null }];
  expect((await client.ask(offsetFetch, 9, { groups })).groups[0]).toMatchObject({
    topics: [
      {
        name: 'orders',
        partitions: [{ committedOffset: 17, committedLeaderEpoch: 3, metadata: 'so far', errorCode: 0 }],
      },
    ],
  });
});

test('commits of a generation that is over, of strangers and of what does not exist are refused', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  expect(await consumer.commit(door, 1, { topic: 'nowhere' })).toBe(3);
  expect(await consumer.commit(door, 1, { partition: 9 })).toBe(3);
  expect(await consumer.commit(door, 1, { metadata: 'x'.repeat(OFFSET_METADATA_BYTES_MAX + 1) })).toBe(12);
  consumer.generation--;
  expect(await consumer.commit(door, 1)).toBe(ILLEGAL_GENERATION);
  consumer.generation++;
  const stranger = new TestConsumer(door);
  expect(await stranger.commit(door, 1)).toBe(UNKNOWN_MEMBER);
  stranger.memberId = 'nobody';
  stranger.generation = consumer.generation;
  expect(await stranger.commit(door, 1)).toBe(UNKNOWN_MEMBER);
  expect(await offsetOf(door.connect())).toBe(-1);
  expect(await consumer.commit(door, 1)).toBe(0);
  const lonely = new TestConsumer(door, { group: 'nobody is in it' });
  lonely.generation = 3;
  expect(await lonely.commit(door, 5)).toBe(69);
  lonely.generation = -1;
  expect(await lonely.commit(door, 5)).toBe(0);
  expect(await offsetOf(door.connect(), 'nobody is in it')).toBe(5);
});

test('topics are named by their ids from version 10 on', async () => {
  const door = await doorOfGroups();
  const client = door.connect();
  const topics = [TOPIC_ID_BYTES, Buffer.alloc(16, 9)].map((topicId) => ({
    topicId,
    partitions: [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: -1, committedMetadata: null }],
  }));
  const request = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, topics };
  const { topics: answers } = await client.ask(offsetCommit, 10, request);
  expect(answers.map(({ partitions }) => partitions[0]!.errorCode)).toEqual([0, 100]);
  const asked = topics.map(({ topicId }) => ({ topicId, partitionIndexes: [0] }));
  const { groups } = await client.ask(offsetFetch, 10, { groups: [{ groupId: 'g', topics: asked }] });
  expect(groups[0]!.topics.map(({ partitions }) => partitions[0])).toMatchObject([
    { committedOffset: 7, errorCode: 0 },
    { committedOffset: -1, errorCode: 100 },
  ]);
});

test('who leads in the next epoch has read all of it before it answers, and members go on', async () => {
  const door = await doorOfGroups();
  const [leader, other] = await pair(door);
  await Promise.all([leader.sync(), other.sync()]);
  expect(await other.commit(door, 40)).toBe(0);
  leadGroups(door, 1, 2);
  await door.settle();
  expect(await leader.heartbeat()).toBe(NOT_COORDINATOR);
  expect(await offsetOf(other.client)).toBe(-NOT_COORDINATOR);
  leadGroups(door, 2);
  await door.settle();
  expect([await leader.heartbeat(), await other.heartbeat()]).toEqual([0, 0]);
  expect(await offsetOf(other.client)).toBe(40);
  expect(await other.commit(door, 41)).toBe(0);
  expect(door.logged).toContainEqual(expect.stringContaining('loaded the groups of __consumer_offsets-0'));
});

test('what waits when the partition is led elsewhere is told to look for the coordinator', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  const second = new TestConsumer(door);
  expect(await second.join(door)).toBeUndefined();
  consumer.sendCommit(3);
  await door.settleWithoutDisk();
  leadGroups(door, 1, 2);
  await door.settle();
  expect([second.joined(), consumer.committed()]).toEqual([NOT_COORDINATOR, NOT_COORDINATOR]);
});

test('what is under way when the log breaks is answered once', async () => {
  const door = await doorOfGroups();
  const [consumer, lonely] = [new TestConsumer(door), new TestConsumer(door, { group: 'other' })];
  consumer.sendJoin();
  await door.settle();
  expect(consumer.joined()).toBe(79);
  vi.spyOn(Log.prototype, 'append').mockImplementationOnce(() => {
    throw new Error('broken');
  });
  consumer.sendJoin();
  lonely.sendCommit(3);
  await door.settle();
  expect([consumer.joined(), lonely.committed()]).toEqual([NOT_COORDINATOR, NOT_COORDINATOR]);
  expect(door.logged.filter((line) => line.startsWith('error'))).toEqual([]);
});

test('a member whose id could not be stored is refused, and the group is there for others', async () => {
  const door = await doorOfGroups();
  const { client } = new TestConsumer(door);
  const request = {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscriptionTo(['orders']) }],
    reason: null,
  };
  const long = 'x'.repeat(32_767);
  const tooMuch = [
    { groupInstanceId: long },
    { protocolType: `${long}x` },
    { protocols: [{ name: `${long}x`, metadata: Buffer.alloc(0) }] },
  ];
  for (const one of tooMuch) {
    expect(await client.ask(joinGroup, 9, { ...request, ...one })).toMatchObject({ errorCode: -1 });
  }
  expect(await new TestConsumer(door).join(door)).toBe(0);
});

test('a member that is silent is removed, and the others go on', async () => {
  const door = await doorOfGroups();
  const [leader, other] = await pair(door);
  await Promise.all([leader.sync(), other.sync()]);
  for (let ms = 0; ms < 9_900; ms += GROUP_TICK_MS) {
    await door.pass(GROUP_TICK_MS);
    expect(await leader.heartbeat()).toBe(0);
  }
  // It was last heard of when it took its assignment.
  for (let i = 0; i < 2; i++) await door.pass(GROUP_TICK_MS);
  expect(await leader.heartbeat()).toBe(REBALANCES);
  expect(await other.heartbeat()).toBe(UNKNOWN_MEMBER);
  leader.sendJoin();
  await door.settle();
  expect([leader.joined(), leader.members]).toEqual([0, [leader.memberId]]);
});

test('while the broker stood still it heard nobody, and nobody is removed for that', async () => {
  const door = await doorOfGroups();
  const [leader, other] = await pair(door);
  await Promise.all([leader.sync(), other.sync()]);
  await door.pass(60_000);
  expect([await leader.heartbeat(), await other.heartbeat()]).toEqual([0, 0]);
});

test('groups are listed, described and deleted with all that they have committed', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  await consumer.commit(door, 3);
  const client = door.connect();
  expect((await client.ask(listGroups, 5, { statesFilter: ['stable'], typesFilter: [] })).groups).toEqual([
    { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
  ]);
  expect((await client.ask(listGroups, 5, { statesFilter: ['Empty'], typesFilter: [] })).groups).toEqual([]);
  const { groups } = await client.ask(describeGroups, 6, { groups: ['g', 'none'] });
  expect(groups).toMatchObject([
    {
      errorCode: 0,
      groupState: 'Stable',
      protocolData: 'range',
      members: [{ memberId: consumer.memberId, clientHost: '/10.0.0.1', memberAssignment: Buffer.from('part 0') }],
    },
    { errorCode: 69, groupState: 'Dead' },
  ]);
  const names = { groupsNames: ['g', 'none'] };
  expect((await client.ask(deleteGroups, 2, names)).results.map(({ errorCode }) => errorCode)).toEqual([68, 69]);
  expect(await consumer.leave()).toBe(0);
  expect((await client.ask(deleteGroups, 2, names)).results.map(({ errorCode }) => errorCode)).toEqual([0, 69]);
  expect(await offsetOf(client)).toBe(-1);
  leadGroups(door, 1);
  await door.settle();
  expect((await client.ask(listGroups, 5, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
});

test('what a group without a name has committed can be deleted, as with Kafka', async () => {
  const door = await doorOfGroups();
  const client = door.connect();
  const consumer = new TestConsumer(door, { group: '' });
  expect(await consumer.commit(door, 7)).toBe(0);
  expect(await offsetOf(client, '')).toBe(7);
  const code = async (): Promise<number> =>
    (await client.ask(deleteGroups, 2, { groupsNames: [''] })).results[0]!.errorCode;
  expect([await code(), await code(), await offsetOf(client, '')]).toEqual([0, 69, -1]);
});

test('offsets are deleted of topics that no member reads', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  await consumer.commit(door, 3);
  const client = door.connect();
  const request = { groupId: 'g', topics: [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }] };
  const code = async (): Promise<number> =>
    (await client.ask(offsetDelete, 0, request)).topics[0]!.partitions[0]!.errorCode;
  expect([await code(), await offsetOf(client)]).toEqual([86, 3]);
  await consumer.leave();
  expect([await code(), await offsetOf(client)]).toEqual([0, -1]);
});

test('what was committed of a topic that is deleted is gone with it', async () => {
  const door = await doorOfGroups();
  const lonely = new TestConsumer(door);
  await lonely.commit(door, 3);
  door.apply(create(ChangeSchema, { change: { case: 'deletedTopic', value: { id: TOPIC_ID_BYTES, name: 'orders' } } }));
  await door.settle();
  expect(await offsetOf(door.connect())).toBe(-1);
});

test('offsets of a group in which nobody is are kept for their time, and then the group goes too', async () => {
  const door = await doorOfGroups();
  const consumer = new TestConsumer(door);
  await consumer.join(door);
  await consumer.sync();
  await consumer.commit(door, 3);
  await consumer.leave();
  await door.pass(OFFSETS_RETENTION_MS - 1);
  expect(await offsetOf(door.connect())).toBe(3);
  await door.pass(OFFSETS_RETENTION_CHECK_MS + 1);
  const client = door.connect();
  expect(await offsetOf(client)).toBe(-1);
  expect((await client.ask(listGroups, 5, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
});

test('a broker that coordinates a part of the groups sends the others on', async () => {
  const door = await TestDoor.open();
  const partitions = [
    { leader: 1, epoch: 0 },
    { leader: 2, epoch: 0, replicas: [2] },
  ];
  door.apply(...changesOf({ partitions }, OTHER_ID_BYTES, OFFSETS_TOPIC));
  await door.settle();
  // "b" is 98 in Java, "c" 99.
  expect([await offsetOf(door.connect(), 'b'), await offsetOf(door.connect(), 'c')]).toEqual([-1, -NOT_COORDINATOR]);
});

test('what brokers store is read by whoever likes, and written by nobody else', async () => {
  const door = await doorOfGroups();
  const client = door.connect();
  const records = [batchOf(1)];
  const topics = [topicData([{ index: 0, records }], OFFSETS_TOPIC, OTHER_ID_BYTES)];
  const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: topics };
  const { responses } = await client.ask(produce, 9, request);
  expect(responses[0]!.partitionResponses[0]).toMatchObject({
    errorCode: 17,
    errorMessage: expect.stringContaining('by brokers alone'),
  });
});

test('a record that cannot be read is left out, and said', async () => {
  const door = await TestDoor.open();
  leadGroups(door, 0);
  const { partitions } = door.broker;
  await door.settle();
  const lonely = new TestConsumer(door);
  expect(await lonely.commit(door, 8)).toBe(0);
  const found = partitions.serving(OTHER_ID_BYTES, 0, -1);
  assert(found instanceof Partition, 'it is led');
  const builder = new BatchBuilder({ maxBytes: 1_000 });
  builder.append({ key: encodeGroupMetadataKey('g'), value: Buffer.from([0x7f, 0xff]), timestampMs: 1 });
  builder.append({ key: Buffer.from([0, 99, 1]), value: null, timestampMs: 1 });
  expect(found.append(builder.build(), -1, { appended() {}, failed() {} }, 0)).toBeUndefined();
  leadGroups(door, 1);
  await door.settle();
  expect(await offsetOf(door.connect())).toBe(8);
  expect(door.logged).toContainEqual(expect.stringContaining('left out: GroupMetadataValue has version 32767'));
});
