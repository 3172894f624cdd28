import { expect, test } from 'vitest';
import { joinedIn, REBALANCE_MS, SESSION_MS, stable, syncAll, TestGroup, textOf } from './test-group.ts';

test('a new member has to come back with the id that it is given, and nothing of it is stored until then', () => {
  const group = new TestGroup();
  const asked = group.joined(group.join({ needsMemberId: true, clientId: 'c' }))!;
  expect(asked).toMatchObject({ error: 'MEMBER_ID_REQUIRED', memberId: 'c-uuid1', generation: -1, leader: '' });
  expect(group.group.memberCount).toBe(0);
  expect(group.log).toEqual([]);
  const joined = group.joined(group.join({ needsMemberId: true, memberId: 'c-uuid1' }));
  expect(joined).toMatchObject({ error: 'NONE', memberId: 'c-uuid1' });
});

test('a member id that nobody comes back with is forgotten after the session timeout', () => {
  const group = new TestGroup();
  const { memberId } = group.joined(group.join({ needsMemberId: true }))!;
  group.pass(SESSION_MS - 1);
  expect(group.group.isUnused).toBe(false);
  group.pass(1);
  expect(group.group.isUnused).toBe(true);
  expect(group.joined(group.join({ memberId }))).toMatchObject({ error: 'UNKNOWN_MEMBER_ID', memberId });
});

test('a rebalance waits for those who were given a member id, until that is forgotten', () => {
  const group = new TestGroup();
  const [leader] = stable(group, 1);
  group.join({ needsMemberId: true, sessionTimeoutMs: 6_000 });
  const first = group.join(leader!);
  expect(group.joined(first)).toBeUndefined();
  group.pass(6_000);
  expect(group.joined(first)!.error).toBe('NONE');
  syncAll(group, [leader!]);
  const { memberId } = group.joined(group.join({ needsMemberId: true }))!;
  const second = group.join(leader!);
  expect(group.joined(second)).toBeUndefined();
  group.join({ memberId });
  expect(group.joined(second)!.error).toBe('NONE');
});

test('a member id that was given out is not one of a static member', () => {
  const group = new TestGroup();
  const { memberId } = group.joined(group.join({ needsMemberId: true }))!;
  expect(group.joined(group.join({ memberId, instanceId: 'i' }))!.error).toBe('UNKNOWN_MEMBER_ID');
});

test('a static member is not asked to come back with its id', () => {
  const group = new TestGroup();
  const joined = group.joined(group.join({ needsMemberId: true, instanceId: 'i' }));
  expect(joined).toMatchObject({ error: 'NONE', memberId: 'i-uuid1', members: [{ instanceId: 'i' }] });
});

test('session timeouts out of bounds are refused', () => {
  const group = new TestGroup();
  const errorOf = (sessionTimeoutMs: number): string => group.joined(group.join({ sessionTimeoutMs }))!.error;
  expect(errorOf(5_999)).toBe('INVALID_SESSION_TIMEOUT');
  expect(errorOf(1_800_001)).toBe('INVALID_SESSION_TIMEOUT');
  expect(errorOf(6_000)).toBe('NONE');
});

test('a member without a rebalance timeout of its own has its session timeout for it', () => {
  const group = new TestGroup();
  group.join({ rebalanceTimeoutMs: -1 });
  expect(group.stored!.members[0]!.rebalanceTimeout).toBe(SESSION_MS);
});

test('who joins has to be of the kind of the group, and share a protocol with all', () => {
  const group = new TestGroup();
  const errorOf = (token: number): string => group.joined(token)!.error;
  expect(errorOf(group.join({ protocolType: '' }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  expect(errorOf(group.join({ protocols: [] }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  const [leader] = stable(group, 2, (i) => ({ protocols: i === 0 ? ['range', 'sticky'] : ['sticky', 'other'] }));
  expect(errorOf(group.join({ protocolType: 'connect', protocols: ['sticky'] }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  const wrong = group.join({ ...leader!, protocols: ['range', 'other'] });
  expect(group.joined(wrong)).toMatchObject({ error: 'INCONSISTENT_GROUP_PROTOCOL', memberId: leader!.memberId });
  expect(errorOf(group.join({ protocols: ['range'] }))).toBe('INCONSISTENT_GROUP_PROTOCOL');
  expect(group.group.state).toBe('Stable');
  const right = group.join({ protocols: ['mine', 'sticky'] });
  expect(group.joined(right)).toBeUndefined();
});

test('once a group is empty its next members may be of another kind', () => {
  const group = new TestGroup();
  group.leave(...stable(group, 2));
  expect(group.joined(group.join({ protocolType: 'connect', protocols: ['sessioned'] }))).toMatchObject({
    error: 'NONE',
    protocolType: 'connect',
    protocol: 'sessioned',
  });
});

test('in a stable group a member that says the same again gets the generation that there is, and the leader a new one', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const { generation } = group.group;
  expect(group.joined(group.join(other!))).toMatchObject({ error: 'NONE', generation, members: [] });
  expect(group.group.state).toBe('Stable');
  expect(group.joined(group.join(leader!))).toBeUndefined();
  expect(group.group.state).toBe('PreparingRebalance');
  expect(group.joined(group.join(other!))!.generation).toBe(generation + 1);
});

test('in a stable group a member that says something else has all join again', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const join = group.join({ ...other!, protocols: ['range=others'] });
  expect(group.joined(join)).toBeUndefined();
  const leaders = group.joined(group.join(leader!))!;
  expect(leaders.members.map(({ metadata }) => textOf(metadata))).toEqual(['topic', 'others']);
});

test('while members wait for the assignment one that says the same again gets the generation, and one that does not a new one', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  const { generation } = group.group;
  expect(group.joined(group.join(leader!))).toMatchObject({ generation, leader: leader!.memberId });
  expect(group.joined(group.join(leader!))!.members).toHaveLength(2);
  expect(group.joined(group.join(other!))).toMatchObject({ generation, members: [] });
  const sync = group.sync(other!);
  group.join({ ...leader!, protocols: ['range=others'] });
  expect(group.synced(sync)!.error).toBe('REBALANCE_IN_PROGRESS');
  expect(group.group.state).toBe('PreparingRebalance');
});

test('of two joins of a member the first one is let go, and the second one counts', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const first = group.join(leader!);
  const second = group.join({ ...leader!, protocols: ['range=new'] });
  expect(group.joined(first)).toMatchObject({ error: 'REBALANCE_IN_PROGRESS', memberId: leader!.memberId });
  group.join(other!);
  expect(textOf(group.joined(second)!.members.find(({ memberId }) => memberId === leader!.memberId)!.metadata)).toBe(
    'new',
  );
});

test('a group takes no more members than it may have, and those that are in it stay', () => {
  const group = new TestGroup({ membersMax: 2 });
  const [leader, other] = stable(group, 2);
  const errorOf = (token: number): string => group.joined(token)!.error;
  const third = group.joined(group.join({}))!;
  expect(third).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
  expect(group.group.state).toBe('Stable');
  const join = group.join(leader!);
  group.join(other!);
  expect(errorOf(join)).toBe('NONE');
});

test('of members that join again those who come last are left out when there are too many', () => {
  const group = new TestGroup();
  const members = stable(group, 3);
  const small = new TestGroup({ membersMax: 2 });
  small.log.push(...group.log);
  small.reload();
  expect(small.group.state).toBe('PreparingRebalance');
  const joins = members.map((member) => small.join(member));
  expect(small.joined(joins[2]!)).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
  expect(small.joined(joins[0]!)).toMatchObject({ error: 'NONE' });
  expect(small.group.memberCount).toBe(2);
});

test('a static member that is back gets its assignment without a rebalance, and its old id is fenced', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  const { generation } = group.group;
  group.isManual = true;
  const join = group.join({ instanceId: 'i1' });
  expect(group.joined(join)).toBeUndefined();
  expect(group.heartbeat(other!)).toBe('NONE');
  group.store();
  const back = group.joined(join)!;
  expect(back).toMatchObject({
    error: 'NONE',
    generation,
    leader: leader!.memberId,
    skipAssignment: false,
    members: [],
  });
  expect(back.memberId).not.toBe(other!.memberId);
  expect(group.group.state).toBe('Stable');
  expect(group.heartbeat(other!)).toBe('FENCED_INSTANCE_ID');
  expect(group.commit(other!)).toBe('FENCED_INSTANCE_ID');
  expect(group.synced(group.sync(other!))!.error).toBe('FENCED_INSTANCE_ID');
  expect(group.joined(group.join(other!))!.error).toBe('FENCED_INSTANCE_ID');
  expect(group.heartbeat({ memberId: other!.memberId })).toBe('UNKNOWN_MEMBER_ID');
  const sync = group.sync({ memberId: back.memberId, instanceId: 'i1' });
  expect(textOf(group.synced(sync)!.assignment)).toBe(other!.memberId);
});

test('a static leader that is back leads, and is told that nothing is to be assigned if it can understand that', () => {
  const group = new TestGroup();
  const [leader] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  const back = group.joined(group.join({ instanceId: 'i0' }))!;
  expect(back).toMatchObject({ error: 'NONE', leader: back.memberId, skipAssignment: true });
  expect(back.members.map(({ instanceId }) => instanceId)).toEqual(['i1', 'i0']);
  const old = group.joined(group.join({ instanceId: 'i0', maySkipAssignment: false }))!;
  expect(old).toMatchObject({ error: 'NONE', leader: back.memberId, skipAssignment: false, members: [] });
  expect(old.leader).not.toBe(old.memberId);
  const sync = group.sync({ memberId: old.memberId, instanceId: 'i0' });
  expect(textOf(group.synced(sync)!.assignment)).toBe(leader!.memberId);
  // It leads all the same.
  expect(group.joined(group.join({ memberId: old.memberId, instanceId: 'i0' }))).toBeUndefined();
});

test('a static member that is back and cannot be stored may try again, and its old id goes on', () => {
  const group = new TestGroup();
  const [, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  group.isManual = true;
  const join = group.join({ instanceId: 'i1' });
  group.refuse();
  expect(group.joined(join)).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE', memberId: '' });
  expect(group.heartbeat(other!)).toBe('NONE');
  expect(group.group.state).toBe('Stable');
});

test('what a static member commits once another process is about to have its place is not taken: that one would not find it', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  group.isManual = true;
  expect(group.commit(other!)).toBe('NONE');
  group.join({ instanceId: 'i1' });
  expect(group.commit(other!)).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(group.commit(leader!)).toBe('NONE');
  group.refuse();
  expect(group.commit(other!)).toBe('NONE');
  group.join({ instanceId: 'i1' });
  group.store();
  expect(group.commit(other!)).toBe('FENCED_INSTANCE_ID');
});

test('a static member that is back while it cannot be told is told when the group ends', () => {
  const group = new TestGroup();
  stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  group.isManual = true;
  const join = group.join({ instanceId: 'i1' });
  group.do(group.group.end('NOT_COORDINATOR', group.now));
  expect(group.joined(join)).toMatchObject({ error: 'NOT_COORDINATOR', memberId: '' });
});

test('a static member that is back with other protocols has all join again if another one would be chosen', () => {
  const group = new TestGroup();
  const [leader] = stable(group, 2, (i) => ({ instanceId: `i${i}`, protocols: ['range', 'sticky'] }));
  const same = group.join({ instanceId: 'i1', protocols: ['range', 'other'] });
  expect(group.joined(same)).toMatchObject({ error: 'NONE', protocol: 'range' });
  group.join({ instanceId: 'i1', protocols: ['range', 'sticky'] });
  const other = group.join({ instanceId: 'i1', protocols: ['sticky'] });
  expect(group.joined(other)).toBeUndefined();
  expect(group.joined(group.join({ ...leader!, protocols: ['range', 'sticky'] }))).toMatchObject({
    protocol: 'sticky',
  });
});

test('a static member that is back while others join takes the place of its old id, which is told', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  const first = group.join({ ...leader!, protocols: ['range=new'] });
  const back = group.join({ instanceId: 'i0' });
  expect(group.joined(first)).toMatchObject({ error: 'FENCED_INSTANCE_ID', memberId: leader!.memberId });
  group.join(other!);
  const joined = group.joined(back)!;
  expect(joined).toMatchObject({ error: 'NONE', leader: joined.memberId });
  expect(joined.members).toHaveLength(2);
});

test('a static member that is back while the leader assigns has all join again', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}` }));
  group.join(leader!);
  group.join({ ...other!, protocols: ['range=new'] });
  expect(group.group.state).toBe('CompletingRebalance');
  const sync = group.sync(other!);
  group.join({ instanceId: 'i1' });
  expect(group.synced(sync)!.error).toBe('FENCED_INSTANCE_ID');
  expect(group.group.state).toBe('PreparingRebalance');
});

test('a static member that does not join in time stays until its session ends', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}`, sessionTimeoutMs: 100_000 }));
  const join = group.join({ ...leader!, sessionTimeoutMs: 100_000 });
  group.pass(REBALANCE_MS);
  expect(group.joined(join)!.members.map(({ instanceId }) => instanceId)).toEqual(['i0', 'i1']);
  // It is asked for its part, as others are.
  const sync = group.sync(leader!, { [leader!.memberId]: 'a', [other!.memberId]: 'b' });
  expect(group.synced(sync)!.error).toBe('NONE');
  group.heartbeat(leader!);
  group.pass(REBALANCE_MS);
  expect(group.group.memberCount).toBe(1);
});

test('a static leader that does not join in time does not lead, though it is still a member', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}`, sessionTimeoutMs: 100_000 }));
  const join = group.join({ ...other!, protocols: ['range=new'], sessionTimeoutMs: 100_000 });
  group.pass(REBALANCE_MS);
  const joined = group.joined(join)!;
  expect(joined).toMatchObject({ error: 'NONE', leader: other!.memberId });
  expect(joined.members.map(({ memberId }) => memberId)).toEqual([leader!.memberId, other!.memberId]);
});

test('while none of a group of static members joins, it waits for them', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({ instanceId: `i${i}`, sessionTimeoutMs: 200_000 }));
  group.isManual = true;
  group.join({ ...leader!, protocols: ['range=new'], sessionTimeoutMs: 200_000 });
  group.join({ ...other!, sessionTimeoutMs: 200_000 });
  group.refuse();
  group.pass(3 * REBALANCE_MS);
  expect(group.group.memberCount).toBe(2);
  expect(group.group.state).toBe('PreparingRebalance');
  group.join(leader!);
  group.join(other!);
  expect(group.pending).toBeDefined();
});

test('cooperative members keep what they have while all join again, as far as the leader says so', () => {
  const group = new TestGroup();
  const member = joinedIn(group, { protocols: ['cooperative-sticky'] });
  syncAll(group, [member]);
  const second = group.join({ protocols: ['cooperative-sticky'] });
  expect(group.commit(member)).toBe('NONE');
  const again = group.joined(group.join({ ...member, protocols: ['cooperative-sticky=owned'] }))!;
  const { memberId } = group.joined(second)!;
  const sync = group.sync({ memberId });
  group.sync(member, { [member.memberId]: 'p0', [memberId]: '' });
  expect(again.protocol).toBe('cooperative-sticky');
  expect(group.synced(sync)).toMatchObject({ error: 'NONE' });
});
