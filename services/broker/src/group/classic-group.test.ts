import { expect, test } from 'vitest';
import { GROUP_NEW_MEMBER_JOIN_MS, GROUP_REQUESTS_WAITING_MAX } from '@weir/base/group-limits.ts';
import { bytesOf, joinedIn, REBALANCE_MS, SESSION_MS, stable, syncAll, TestGroup, textOf } from './test-group.ts';

test('the first member of a group leads, and what it assigns is what each one gets', () => {
  const group = new TestGroup();
  const first = group.joined(group.join({ clientId: 'a', protocols: ['range=x,y'] }))!;
  expect(first).toMatchObject({
    error: 'NONE',
    generation: 1,
    protocolType: 'consumer',
    protocol: 'range',
    memberId: 'a-uuid1',
    leader: 'a-uuid1',
    skipAssignment: false,
    members: [{ memberId: 'a-uuid1', instanceId: undefined, metadata: bytesOf('x,y') }],
  });
  const other = group.join({ clientId: 'b' });
  expect(group.joined(other)).toBeUndefined();
  expect(group.heartbeat({ memberId: first.memberId })).toBe('REBALANCE_IN_PROGRESS');
  const again = group.joined(group.join({ memberId: first.memberId, protocols: ['range=x,y'] }))!;
  expect(again).toMatchObject({ generation: 2, leader: 'a-uuid1' });
  expect(again.members.map(({ memberId }) => memberId)).toEqual(['a-uuid1', 'b-uuid2']);
  expect(group.joined(other)).toMatchObject({ generation: 2, leader: 'a-uuid1', memberId: 'b-uuid2', members: [] });
  const follower = group.sync({ memberId: 'b-uuid2' });
  expect(group.synced(follower)).toBeUndefined();
  const leader = group.sync({ memberId: first.memberId }, { 'a-uuid1': 'one', 'b-uuid2': 'two' });
  expect(textOf(group.synced(leader)!.assignment)).toBe('one');
  expect(textOf(group.synced(follower)!.assignment)).toBe('two');
  expect(group.synced(follower)).toMatchObject({ error: 'NONE', protocolType: 'consumer', protocol: 'range' });
  expect(group.group.state).toBe('Stable');
});

test('a generation is told once its record is stored, and an assignment once its own is', () => {
  const group = new TestGroup();
  group.isManual = true;
  const join = group.join({});
  expect(group.pending!.record).toMatchObject({ generation: 1, leader: 'client-uuid1', protocol: 'range' });
  expect(group.joined(join)).toBeUndefined();
  expect(group.group.generation).toBe(0);
  group.store();
  const { memberId } = group.joined(join)!;
  const sync = group.sync({ memberId }, { [memberId]: 'mine' });
  expect(textOf(group.pending!.record!.members[0]!.assignment)).toBe('mine');
  expect(group.synced(sync)).toBeUndefined();
  expect(group.group.state).toBe('CompletingRebalance');
  group.store();
  expect(textOf(group.synced(sync)!.assignment)).toBe('mine');
});

test('members whose generation was not stored are told to look for the coordinator, and join again', () => {
  const group = new TestGroup();
  const members = stable(group, 2);
  const { generation } = group.group;
  group.isManual = true;
  const joins = members.map((member) => group.join(member));
  group.refuse();
  for (const [i, token] of joins.entries()) {
    expect(group.joined(token)).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE', memberId: members[i]!.memberId });
  }
  expect(group.group.generation).toBe(generation);
  expect(group.group.state).toBe('PreparingRebalance');
  expect(group.group.memberCount).toBe(2);
  group.isManual = false;
  const again = members.map((member) => group.join(member));
  expect(group.joined(again[0]!)).toMatchObject({ error: 'NONE', generation: generation + 1 });
});

test('a new member whose generation was not stored does not know its id, and nobody waits for it', () => {
  const group = new TestGroup();
  group.isManual = true;
  const join = group.join({});
  group.refuse();
  expect(group.joined(join)).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE', memberId: '' });
  expect(group.group.memberCount).toBe(0);
  expect(group.group.state).toBe('Empty');
});

test('when an assignment was not stored those who wait are told so, and all join again', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  for (const member of [leader!, other!]) group.join(member);
  group.isManual = true;
  const syncs = [group.sync(other!), group.sync(leader!, { [leader!.memberId]: 'x', [other!.memberId]: 'y' })];
  group.refuse('NOT_COORDINATOR');
  for (const token of syncs) expect(group.synced(token)!.error).toBe('NOT_COORDINATOR');
  expect(group.group.state).toBe('PreparingRebalance');
  expect(group.heartbeat(other!)).toBe('REBALANCE_IN_PROGRESS');
});

test('while a record is on its way what would change the group waits, and heartbeats do not', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.isManual = true;
  group.join(leader!);
  group.join(other!);
  expect(group.group.nextDeadlineMs).toBeUndefined();
  const leave = group.leave(other!);
  const join = group.join({ clientId: 'new' });
  expect(group.heartbeat(leader!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.heartbeat(other!)).toBe('REBALANCE_IN_PROGRESS');
  expect([group.left(leave), group.joined(join)]).toEqual([undefined, undefined]);
  group.store();
  expect(group.left(leave)!.error).toBe('NONE');
  expect(group.joined(join)).toBeUndefined();
  expect(group.group.state).toBe('PreparingRebalance');
  expect(group.group.memberCount).toBe(2);
});

test('no more requests wait for a record than there is room for', () => {
  const group = new TestGroup();
  group.isManual = true;
  group.join({});
  const waiting = Array.from({ length: GROUP_REQUESTS_WAITING_MAX }, () => group.join({ needsMemberId: true }));
  const last = group.join({ memberId: 'x' });
  expect(group.joined(waiting.at(-1)!)).toBeUndefined();
  expect(group.joined(last)).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE', memberId: 'x' });
});

test('what is due while a record is on its way is due when it is stored', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  group.isManual = true;
  group.sync(leader!, { [leader!.memberId]: 'x' });
  group.pass(REBALANCE_MS + 1);
  group.do(group.group.due(group.now));
  expect(group.group.memberCount).toBe(2);
  group.store();
  group.isManual = false;
  group.pass(0);
  expect(group.group.memberCount).toBe(1);
});

test('a heartbeat is answered by what the group is doing', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const generation = group.group.generation;
  expect(group.heartbeat(other!)).toBe('NONE');
  expect(group.heartbeat({ ...other!, generation: generation - 1 })).toBe('ILLEGAL_GENERATION');
  expect(group.heartbeat({ ...other!, generation: generation + 1 })).toBe('ILLEGAL_GENERATION');
  expect(group.heartbeat({ memberId: 'nobody' })).toBe('UNKNOWN_MEMBER_ID');
  expect(group.heartbeat({ memberId: other!.memberId, instanceId: 'nobody' })).toBe('UNKNOWN_MEMBER_ID');
  group.join(leader!);
  expect(group.heartbeat(other!)).toBe('REBALANCE_IN_PROGRESS');
  group.join(other!);
  expect(group.group.state).toBe('CompletingRebalance');
  expect(group.heartbeat(other!)).toBe('NONE');
  group.leave(leader!, other!);
  expect(group.group.state).toBe('Empty');
  expect(group.heartbeat(other!)).toBe('UNKNOWN_MEMBER_ID');
  group.delete();
  expect(group.heartbeat(other!)).toBe('COORDINATOR_NOT_AVAILABLE');
});

test('a member that is not heard of for its session timeout is removed, and the others join again', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.pass(SESSION_MS - 1);
  expect(group.heartbeat(leader!)).toBe('NONE');
  group.pass(1);
  expect(group.group.memberCount).toBe(1);
  expect(group.group.state).toBe('PreparingRebalance');
  expect(group.heartbeat(other!)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.heartbeat(leader!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.joined(group.join(leader!))).toMatchObject({ error: 'NONE', leader: leader!.memberId });
});

test('a commit keeps a member alive as a heartbeat does', () => {
  const group = new TestGroup();
  const [member] = stable(group, 1);
  for (let i = 0; i < 5; i++) {
    group.pass(SESSION_MS - 1);
    expect(group.commit(member!)).toBe('NONE');
  }
});

test('deadlines move by the time in which nobody could be heard', () => {
  const group = new TestGroup();
  stable(group, 1);
  group.nowMs += 3 * SESSION_MS;
  group.group.postpone(3 * SESSION_MS);
  group.pass(SESSION_MS - 1);
  expect(group.group.memberCount).toBe(1);
  group.pass(1);
  expect(group.group.memberCount).toBe(0);
});

test('members that wait for others need not be heard of, and a rebalance waits for the slowest of them at most', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ rebalanceTimeoutMs: i === 0 ? 20_000 : 50_000 }));
  const join = group.join({ ...leader!, rebalanceTimeoutMs: 20_000 });
  for (let i = 0; i < 9; i++) {
    group.pass(5_000);
    expect(group.heartbeat(other!)).toBe('REBALANCE_IN_PROGRESS');
  }
  group.pass(4_999);
  expect(group.joined(join)).toBeUndefined();
  group.pass(1);
  expect(group.joined(join)).toMatchObject({ error: 'NONE', leader: leader!.memberId });
  expect(group.group.memberCount).toBe(1);
  expect(group.heartbeat(other!)).toBe('UNKNOWN_MEMBER_ID');
});

test('when the leader does not join in time another one leads', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const join = group.join({ ...other!, protocols: ['range=changed'] });
  for (let i = 0; i < REBALANCE_MS / 5_000; i++) {
    group.pass(5_000);
    group.heartbeat(leader!);
  }
  expect(group.joined(join)).toMatchObject({ leader: other!.memberId, members: [{ memberId: other!.memberId }] });
});

test('who has joined and does not sync within the rebalance timeout is removed', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  const sync = group.sync(other!);
  // The leader lives and assigns nothing.
  for (let i = 0; i < REBALANCE_MS / 5_000; i++) {
    expect(group.heartbeat(leader!)).toBe('NONE');
    group.pass(5_000);
  }
  expect(group.synced(sync)!.error).toBe('REBALANCE_IN_PROGRESS');
  expect(group.heartbeat(leader!)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.joined(group.join(other!))).toMatchObject({ error: 'NONE', leader: other!.memberId });
});

test('in a stable group, too, who has not fetched its assignment is removed', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  group.sync(leader!, { [leader!.memberId]: 'all' });
  for (let i = 0; i < REBALANCE_MS / 5_000; i++) {
    for (const member of [leader!, other!]) expect(group.heartbeat(member)).toBe('NONE');
    group.pass(5_000);
  }
  expect(group.heartbeat(other!)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.heartbeat(leader!)).toBe('REBALANCE_IN_PROGRESS');
});

test('a new member whose client is gone while it waits is removed after five minutes', () => {
  const group = new TestGroup();
  const [leader] = stable(group, 1, () => ({ rebalanceTimeoutMs: 3 * GROUP_NEW_MEMBER_JOIN_MS }));
  const join = group.join({ clientId: 'new' });
  const beat = (ms: number): void => {
    for (let i = 0; i < ms / 5_000; i++) {
      group.pass(5_000);
      expect(group.heartbeat(leader!)).toBe('REBALANCE_IN_PROGRESS');
    }
  };
  beat(GROUP_NEW_MEMBER_JOIN_MS - 5_000);
  expect(group.joined(join)).toBeUndefined();
  beat(5_000);
  expect(group.joined(join)).toMatchObject({ error: 'UNKNOWN_MEMBER_ID', memberId: '' });
  expect(group.group.memberCount).toBe(1);
});

test('an empty group waits for more members, longer while they come, and not longer than they may take', () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3_000 });
  const first = group.join({ rebalanceTimeoutMs: 10_000 });
  group.pass(2_999);
  const second = group.join({});
  group.pass(1);
  expect(group.joined(first)).toBeUndefined();
  group.pass(2_999);
  const third = group.join({});
  group.pass(1);
  group.pass(2_000);
  const fourth = group.join({});
  // 6 s are over. The delay of 3 s that runs is followed by the second that is left of 10.
  group.pass(1_000);
  expect(group.joined(first)).toBeUndefined();
  group.join({});
  group.pass(999);
  expect(group.joined(first)).toBeUndefined();
  group.pass(1);
  for (const token of [first, second, third, fourth]) expect(group.joined(token)).toMatchObject({ generation: 1 });
  expect(group.nowMs).toBe(1_010_000);
});

test('an empty group that nobody else joins waits for its delay alone', () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3_000 });
  const join = group.join({});
  group.pass(2_999);
  expect(group.joined(join)).toBeUndefined();
  group.pass(1);
  expect(group.joined(join)!.error).toBe('NONE');
});

test('a group whose members all leave is empty and has another generation', () => {
  const group = new TestGroup();
  const members = stable(group, 2);
  const { generation } = group.group;
  group.isManual = true;
  const leave = group.leave(...members);
  expect(group.left(leave)).toBeUndefined();
  expect(group.commit({ memberId: '', generation: -1 })).toBe('UNKNOWN_MEMBER_ID');
  group.store();
  expect(group.left(leave)!.error).toBe('NONE');
  expect(group.stored).toMatchObject({ protocolType: 'consumer', protocol: null, leader: null, members: [] });
  expect(group.group.generation).toBe(generation + 1);
  expect(group.group.state).toBe('Empty');
  expect(group.commit({ memberId: '', generation: -1 })).toBe('NONE');
});

test('a group is empty although that could not be stored', () => {
  const group = new TestGroup();
  const [member] = stable(group, 1);
  const { generation } = group.group;
  group.isManual = true;
  const leave = group.leave(member!);
  group.refuse();
  expect(group.left(leave)!.error).toBe('NONE');
  expect(group.group).toMatchObject({ state: 'Empty', generation });
  group.isManual = false;
  expect(group.joined(group.join({}))!.generation).toBe(generation + 1);
});

test('members leave by member id or instance id, and each gets its own answer', () => {
  const group = new TestGroup();
  const [a, b, c] = stable(group, 3, (i) => (i === 0 ? {} : { instanceId: `i${i}` }));
  const pending = group.joined(group.join({ needsMemberId: true }))!;
  const leave = group.leave(
    { memberId: a!.memberId },
    { instanceId: 'i1' },
    { memberId: 'other', instanceId: 'i2' },
    { memberId: c!.memberId, instanceId: 'unknown' },
    { memberId: 'nobody' },
    { instanceId: 'nobody' },
    { memberId: pending.memberId },
    {},
  );
  expect(group.left(leave)).toEqual({
    error: 'NONE',
    members: [
      { memberId: a!.memberId, instanceId: undefined, error: 'NONE' },
      { memberId: '', instanceId: 'i1', error: 'NONE' },
      { memberId: 'other', instanceId: 'i2', error: 'FENCED_INSTANCE_ID' },
      { memberId: c!.memberId, instanceId: 'unknown', error: 'UNKNOWN_MEMBER_ID' },
      { memberId: 'nobody', instanceId: undefined, error: 'UNKNOWN_MEMBER_ID' },
      { memberId: '', instanceId: 'nobody', error: 'UNKNOWN_MEMBER_ID' },
      { memberId: pending.memberId, instanceId: undefined, error: 'NONE' },
      { memberId: '', instanceId: undefined, error: 'UNKNOWN_MEMBER_ID' },
    ],
  });
  expect(group.group.memberCount).toBe(1);
  expect(group.heartbeat(b!)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.heartbeat(c!)).toBe('REBALANCE_IN_PROGRESS');
});

test('who waits and is sent away is told so', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  const join = group.join({ ...other!, protocols: ['range=changed'] });
  group.leave({ instanceId: 'i1' });
  expect(group.joined(join)).toMatchObject({ error: 'UNKNOWN_MEMBER_ID', memberId: '' });
  group.join(leader!);
  const third = group.join({ instanceId: 'i3' });
  group.join(leader!);
  const sync = group.sync({ memberId: group.joined(third)!.memberId });
  group.leave({ instanceId: 'i3' });
  expect(group.synced(sync)!.error).toBe('UNKNOWN_MEMBER_ID');
});

test('a sync has to be of the generation, of the group and of its protocol', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const error = (token: number): string => group.synced(token)!.error;
  const { generation } = group.group;
  for (const wrong of [generation - 1, generation + 1, -1]) {
    expect(error(group.sync({ ...other!, generation: wrong }))).toBe('ILLEGAL_GENERATION');
  }
  expect(error(group.sync({ memberId: 'nobody' }))).toBe('UNKNOWN_MEMBER_ID');
  expect(error(group.sync({ ...other!, protocolType: 'connect' }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  expect(error(group.sync({ ...other!, protocol: 'sticky' }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  const again = group.sync({ ...other!, protocolType: 'consumer', protocol: 'range' });
  expect(textOf(group.synced(again)!.assignment)).toBe(other!.memberId);
  group.join(leader!);
  expect(error(group.sync(other!))).toBe('REBALANCE_IN_PROGRESS');
});

test('what a leader assigns twice counts once, and to nobody else', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  group.isManual = true;
  const first = group.sync(leader!, { [leader!.memberId]: 'first', stranger: 'much' });
  const second = group.sync(leader!, { [leader!.memberId]: 'second' });
  expect(group.synced(first)!.error).toBe('REBALANCE_IN_PROGRESS');
  group.store();
  expect(textOf(group.synced(second)!.assignment)).toBe('first');
  const others = group.sync(other!);
  expect(group.synced(others)).toMatchObject({ error: 'NONE', assignment: bytesOf('') });
  expect(group.stored!.members).toHaveLength(2);
});

test('a follower that assigns is not heard', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  const sync = group.sync(other!, { [other!.memberId]: 'all' });
  expect(group.synced(sync)).toBeUndefined();
  expect(group.group.state).toBe('CompletingRebalance');
});

test('all who wait are answered when the group ends', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.isManual = true;
  const joins = [leader!, other!].map((member) => group.join(member));
  const waiting = group.join({});
  const leave = group.leave(leader!);
  const removal = group.delete();
  group.do(group.group.end('NOT_COORDINATOR', group.now));
  for (const token of [...joins, waiting]) expect(group.joined(token)!.error).toBe('NOT_COORDINATOR');
  expect(group.joined(joins[0]!)!.memberId).toBe(leader!.memberId);
  expect(group.left(leave)!.error).toBe('NOT_COORDINATOR');
  expect(group.deleted(removal)).toBe('NOT_COORDINATOR');
  expect(group.unanswered).toBe(0);
  expect(group.joined(group.join({}))!.error).toBe('COORDINATOR_NOT_AVAILABLE');
});

test('a leave that waits for the group to be empty, and a deletion, are answered when the group ends', () => {
  const group = new TestGroup();
  const [member] = stable(group, 1);
  group.isManual = true;
  const leave = group.leave(member!);
  group.do(group.group.end('NOT_COORDINATOR', group.now));
  expect(group.left(leave)!.error).toBe('NOT_COORDINATOR');
  const other = new TestGroup();
  other.isManual = true;
  const removal = other.delete();
  other.do(other.group.end('NOT_COORDINATOR', other.now));
  expect(other.deleted(removal)).toBe('NOT_COORDINATOR');
});

test('a generation has one assignment, though the leader was too late with it for another one', () => {
  const group = new TestGroup();
  const [leader] = stable(group, 1);
  const second = group.join({ clientId: 'b' });
  group.join(leader!);
  const { generation } = group.group;
  // Somebody joins before the leader has assigned.
  const third = group.join({ clientId: 'c' });
  const late = group.sync({ ...leader!, generation }, { [leader!.memberId]: 'all' });
  expect(group.synced(late)!.error).toBe('REBALANCE_IN_PROGRESS');
  const b = joinedAs(group, second);
  group.join(leader!);
  group.join(b);
  expect(group.joined(third)!.generation).toBe(generation + 1);
  syncAll(group, [leader!, b, joinedAs(group, third)]);
  expect(group.group.state).toBe('Stable');
});

function joinedAs(group: TestGroup, token: number): { memberId: string; instanceId: undefined } {
  return { memberId: group.joined(token)!.memberId, instanceId: undefined };
}

test('a lone member goes on by itself', () => {
  const group = new TestGroup();
  const member = joinedIn(group, {});
  syncAll(group, [member]);
  expect(group.group.state).toBe('Stable');
  expect(group.joined(group.join(member))).toMatchObject({ generation: 2 });
});
