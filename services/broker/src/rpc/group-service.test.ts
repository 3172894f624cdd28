import { create } from '@bufbuild/protobuf';
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { assert, present } from '@weir/base/assert.ts';
import { ERRORS, isErrorCode } from '@weir/base/errors.ts';
import { GROUPS_PER_REQUEST_MAX } from '@weir/base/group-limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { codeOf } from '@weir/client/test-kit/code-of.ts';
import {
  CommitOffsetsRequestSchema,
  DeleteGroupsRequestSchema,
  DeleteOffsetsRequestSchema,
  DescribeGroupsRequestSchema,
  FetchOffsetsRequestSchema,
  HeartbeatRequestSchema,
  JoinGroupRequestSchema,
  LeaveGroupRequestSchema,
  ListGroupsRequestSchema,
  SyncGroupRequestSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import { expect, test } from 'vitest';
import { doorOfGroups, offsetOf, subscriptionTo, TestConsumer } from '../kafka/group-test-kit.ts';
import { TestDoor } from '../kafka/test-door.ts';
import { groupHandlers } from './group-service.ts';

/** The native road to the groups of a broker whose Kafka clients come by a door. */
class NativeDoor {
  readonly door: TestDoor;
  readonly #handlers;

  constructor(door: TestDoor) {
    this.door = door;
    const { groups, coordinator, broker } = door;
    const random = seededRandom(5);
    this.#handlers = groupHandlers({ groups, clock: broker.clock, random, image: () => coordinator.image });
  }

  static async open(): Promise<NativeDoor> {
    return new NativeDoor(await doorOfGroups());
  }

  /** Asks; the answer comes once the broker has settled, or later. */
  send<Request extends DescMessage>(name: string, schema: Request, request: MessageInitShape<Request>): Promise<any> {
    const handler = present(
      this.#handlers.find(({ method }) => method.path.endsWith(`/${name}`)),
      `there is no ${name}`,
    );
    if (handler.kind !== 'call') throw new Error('a call is expected');
    return handler.answer(create(schema, request), {}, '10.0.0.9:4711');
  }

  async ask<Request extends DescMessage>(
    name: string,
    schema: Request,
    request: MessageInitShape<Request>,
  ): Promise<any> {
    const asked = this.send(name, schema, request);
    await this.door.settle();
    return asked;
  }

  sendJoin(memberId = '', groupId = 'g'): Promise<any> {
    return this.send('JoinGroup', JoinGroupRequestSchema, {
      groupId,
      memberId,
      clientId: 'native',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscriptionTo(['orders']) }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
    });
  }

  async join(memberId = '', groupId = 'g'): Promise<any> {
    const asked = this.sendJoin(memberId, groupId);
    await this.door.settle();
    return asked;
  }

  /** A new member that joins alone. */
  async joinNew(): Promise<any> {
    const told = await this.join();
    assert(told.code === 'MEMBER_ID_REQUIRED', `a new member is told ${told.code}`);
    return this.join(told.memberId);
  }

  sync(memberId: string, generation: number, assignments: Record<string, string> = {}): Promise<any> {
    return this.ask('SyncGroup', SyncGroupRequestSchema, {
      groupId: 'g',
      memberId,
      generation,
      protocolType: 'consumer',
      protocol: 'range',
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
    });
  }

  async heartbeat(memberId: string, generation: number): Promise<string> {
    return (await this.ask('Heartbeat', HeartbeatRequestSchema, { groupId: 'g', memberId, generation })).code;
  }

  /** The codes that commits of partition 0 and others are answered with. */
  async commit(
    offsets: readonly { topic?: string; partition?: number; offset: number; metadata?: string }[],
    memberId = '',
    generation = -1,
  ): Promise<string[]> {
    const commits = offsets.map(({ topic = 'orders', partition = 0, offset, metadata = '' }) => ({
      topic,
      partition,
      offset: BigInt(offset),
      leaderEpoch: 4,
      metadata,
    }));
    const request = { groupId: 'g', memberId, generation, offsets: commits };
    const { results } = await this.ask('CommitOffsets', CommitOffsetsRequestSchema, request);
    return results.map(({ code }: { code: string }) => code);
  }

  async leave(...memberIds: string[]): Promise<string[]> {
    const members = memberIds.map((memberId) => ({ memberId, reason: 'enough' }));
    const { code, results } = await this.ask('LeaveGroup', LeaveGroupRequestSchema, { groupId: 'g', members });
    return [code, ...results.map((result: { code: string }) => result.code)];
  }

  async describe(groupId = 'g'): Promise<any> {
    return (await this.ask('DescribeGroups', DescribeGroupsRequestSchema, { groupIds: [groupId] })).groups[0];
  }
}

test('a native member and one of Kafka are in one generation, and each gets what the leader said', async () => {
  const native = await NativeDoor.open();
  const { door } = native;
  const kafka = new TestConsumer(door);
  expect(await kafka.join(door)).toBe(0);
  await kafka.sync();
  const { memberId } = await native.join();
  const joining = native.sendJoin(memberId);
  await door.settle();
  expect(await kafka.heartbeat()).toBe(ERRORS.REBALANCE_IN_PROGRESS.number);
  kafka.sendJoin();
  await door.settle();
  expect(kafka.joined()).toBe(0);
  const joined = await joining;
  expect(joined).toMatchObject({ code: 'NONE', message: '', memberId, protocol: 'range', leader: kafka.memberId });
  expect([joined.generation, joined.members]).toEqual([kafka.generation, []]);
  expect(kafka.members).toContain(memberId);
  const [, synced] = await Promise.all([kafka.sync(), native.sync(memberId, joined.generation)]);
  expect(Buffer.from(synced.assignment).toString()).toBe(`part ${kafka.members.indexOf(memberId)}`);
  expect(await native.heartbeat(memberId, joined.generation)).toBe('NONE');
  expect(await native.commit([{ offset: 7 }], memberId, joined.generation)).toEqual(['NONE']);
  expect(await offsetOf(kafka.client)).toBe(7);
});

test('a native leader is told its members and gives each its part', async () => {
  const native = await NativeDoor.open();
  const { memberId, generation, leader, members } = await native.joinNew();
  expect(leader).toBe(memberId);
  expect(memberId).toMatch(/^native-/);
  expect(members).toMatchObject([{ memberId, instanceId: '' }]);
  expect(Buffer.from(members[0].metadata)).toEqual(subscriptionTo(['orders']));
  expect(String((await native.sync(memberId, generation, { [memberId]: 'all' })).assignment)).toBe('all');
  expect(await native.describe()).toMatchObject({
    code: 'NONE',
    groupId: 'g',
    state: 'Stable',
    protocolType: 'consumer',
    protocol: 'range',
    generation,
    members: [{ memberId, clientId: 'native', clientHost: '/10.0.0.9' }],
  });
});

test('each refusal has a code of the table and words for people', async () => {
  const native = await NativeDoor.open();
  const { memberId, generation } = await native.joinNew();
  await native.sync(memberId, generation, { [memberId]: 'all' });
  const refused = [
    await native.join('nobody'),
    await native.join('', ''),
    await native.sync(memberId, generation + 1),
    await native.ask('Heartbeat', HeartbeatRequestSchema, { groupId: 'other', memberId, generation }),
    await native.describe('other'),
  ];
  expect(refused.map(({ code }) => code)).toEqual([
    'UNKNOWN_MEMBER_ID',
    'INVALID_GROUP_ID',
    'ILLEGAL_GENERATION',
    'UNKNOWN_MEMBER_ID',
    'GROUP_ID_NOT_FOUND',
  ]);
  for (const { code, message } of refused) {
    expect(isErrorCode(code)).toBe(true);
    expect(message).toMatch(/ /);
  }
  expect(await native.heartbeat(memberId, generation + 1)).toBe('ILLEGAL_GENERATION');
  expect(await native.leave('nobody', memberId)).toEqual(['NONE', 'UNKNOWN_MEMBER_ID', 'NONE']);
  expect((await native.describe()).state).toBe('Empty');
});

test('offsets are committed each in its place, read, and forgotten', async () => {
  const native = await NativeDoor.open();
  const codes = await native.commit([
    { offset: 3, metadata: 'm' },
    { offset: 1, topic: 'none' },
    { offset: 1, partition: 9 },
    { offset: 1, metadata: 'm'.repeat(5_000) },
  ]);
  expect(codes).toEqual([
    'NONE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'OFFSET_METADATA_TOO_LARGE',
  ]);
  const fetch = async (groupId: string, partitions: { topic: string; partition: number }[]): Promise<any> =>
    native.ask('FetchOffsets', FetchOffsetsRequestSchema, { groupId, partitions });
  const committed = { topic: 'orders', partition: 0, offset: 3n, leaderEpoch: 4, metadata: 'm', committedMs: 1_000n };
  expect((await fetch('g', [])).offsets).toMatchObject([committed]);
  const some = await fetch('g', [
    { topic: 'orders', partition: 1 },
    { topic: 'orders', partition: 0 },
  ]);
  expect(some).toMatchObject({ code: 'NONE', offsets: [committed] });
  expect(await fetch('other', [])).toMatchObject({ code: 'NONE', offsets: [] });
  const partitions = [{ topic: 'orders', partition: 0 }];
  const forgotten = await native.ask('DeleteOffsets', DeleteOffsetsRequestSchema, { groupId: 'g', partitions });
  expect(forgotten).toMatchObject({ code: 'NONE', results: [{ code: 'NONE' }] });
  expect((await fetch('g', [])).offsets).toEqual([]);
});

test('what members read is not forgotten, nor committed by nobody', async () => {
  const native = await NativeDoor.open();
  await native.commit([{ offset: 3 }]);
  const { memberId, generation } = await native.joinNew();
  await native.sync(memberId, generation, { [memberId]: 'all' });
  const partitions = [{ topic: 'orders', partition: 0 }];
  const forgotten = await native.ask('DeleteOffsets', DeleteOffsetsRequestSchema, { groupId: 'g', partitions });
  expect(forgotten.results).toMatchObject([{ code: 'GROUP_SUBSCRIBED_TO_TOPIC' }]);
  expect(await native.commit([{ offset: 0 }])).toEqual(['UNKNOWN_MEMBER_ID']);
  expect(await native.commit([{ offset: 0 }], memberId, generation - 1)).toEqual(['ILLEGAL_GENERATION']);
});

test('groups are listed and deleted, unless somebody is in them', async () => {
  const native = await NativeDoor.open();
  await native.commit([{ offset: 3 }]);
  const list = async (...states: string[]): Promise<object[]> =>
    (await native.ask('ListGroups', ListGroupsRequestSchema, { states })).groups;
  expect(await list()).toMatchObject([{ groupId: 'g', state: 'Empty', protocolType: '', memberCount: 0 }]);
  const { memberId, generation } = await native.joinNew();
  await native.sync(memberId, generation, { [memberId]: 'all' });
  expect(await list('Stable')).toMatchObject([{ state: 'Stable', protocolType: 'consumer', memberCount: 1 }]);
  expect(await list('empty')).toEqual([]);
  const erase = async (...groupIds: string[]): Promise<string[]> =>
    (await native.ask('DeleteGroups', DeleteGroupsRequestSchema, { groupIds })).results.map(
      ({ code }: { code: string }) => code,
    );
  expect(await erase('g', 'other', 'g')).toEqual(['NON_EMPTY_GROUP', 'GROUP_ID_NOT_FOUND', 'NON_EMPTY_GROUP']);
  await native.leave(memberId);
  expect(await erase('g')).toEqual(['NONE']);
  expect(await list()).toEqual([]);
});

test('a broker that leads no groups says so, and a request has so many groups and no more', async () => {
  const native = new NativeDoor(await TestDoor.open());
  expect((await native.join()).code).toBe('NOT_COORDINATOR');
  expect(await native.heartbeat('m', 1)).toBe('NOT_COORDINATOR');
  expect(await native.leave('m')).toEqual(['NOT_COORDINATOR']);
  expect(await native.commit([{ offset: 1 }])).toEqual(['NOT_COORDINATOR']);
  const groupIds = Array.from({ length: GROUPS_PER_REQUEST_MAX + 1 }, (_, i) => `g${i}`);
  expect(await codeOf(native.send('DescribeGroups', DescribeGroupsRequestSchema, { groupIds }))).toBe(
    'INVALID_REQUEST',
  );
});
