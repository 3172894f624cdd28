import { expect, test } from 'vitest';
import { bytesOf, joinedIn, REBALANCE_MS, SESSION_MS, stable, TestGroup, textOf } from './test-group.ts';

test('a group that is loaded is as it was: members keep their ids, their assignments and their generation', () => {
  const group = new TestGroup();
  const members = stable(group, 3, (i) => (i === 1 ? { instanceId: 'i' } : {}));
  const before = group.group.describe();
  const { generation } = group.group;
  group.reload();
  expect(group.group.describe()).toEqual(before);
  expect(group.group.generation).toBe(generation);
  for (const member of members) {
    expect(group.heartbeat(member)).toBe('NONE');
    expect(group.commit(member)).toBe('NONE');
    expect(textOf(group.synced(group.sync(member))!.assignment)).toBe(member.memberId);
  }
});

test('members of a loaded group have a whole session timeout', () => {
  const group = new TestGroup();
  const [member] = stable(group, 1);
  group.pass(SESSION_MS - 1);
  group.reload();
  group.pass(SESSION_MS - 1);
  expect(group.heartbeat(member!)).toBe('NONE');
  group.reload();
  group.pass(SESSION_MS);
  expect(group.group.state).toBe('Empty');
});

test('a joining phase that was stored and not told is found: members are sent to join, and the leader assigns', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const { generation } = group.group;
  group.isManual = true;
  const joins = [group.join(leader!), group.join(other!)];
  group.reload({ isPendingStored: true });
  for (const token of joins) expect(group.joined(token)!.error).toBe('NOT_COORDINATOR');
  expect(group.group.state).toBe('CompletingRebalance');
  expect(group.group.generation).toBe(generation + 1);
  expect(group.heartbeat({ ...other!, generation })).toBe('ILLEGAL_GENERATION');
  expect(group.heartbeat(other!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.heartbeat(leader!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.commit(leader!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.joined(group.join(leader!))).toMatchObject({ error: 'NONE', generation: generation + 1 });
  expect(group.heartbeat(leader!)).toBe('NONE');
  const follower = group.sync(other!);
  expect(group.heartbeat(other!)).toBe('NONE');
  group.sync(leader!, { [other!.memberId]: 'all' });
  group.store();
  expect(textOf(group.synced(follower)!.assignment)).toBe('all');
});

test('a group in which somebody got nothing is loaded as the stable one that it was', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  group.sync(leader!, { [leader!.memberId]: 'all' });
  group.reload();
  expect(group.group.state).toBe('Stable');
  expect(group.heartbeat(other!)).toBe('NONE');
});

test('a joining phase that was not stored never was', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  const { generation } = group.group;
  group.isManual = true;
  group.join(leader!);
  group.join(other!);
  group.reload({ isPendingStored: false });
  expect(group.group.state).toBe('Stable');
  expect(group.heartbeat({ ...other!, generation })).toBe('NONE');
});

test('an assignment that was stored and not told is the one that members get', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2);
  group.join(leader!);
  group.join(other!);
  group.isManual = true;
  const sync = group.sync(leader!, { [leader!.memberId]: 'a', [other!.memberId]: 'b' });
  group.reload({ isPendingStored: true });
  expect(group.synced(sync)!.error).toBe('NOT_COORDINATOR');
  const again = group.sync(leader!, { [leader!.memberId]: 'b', [other!.memberId]: 'a' });
  expect(textOf(group.synced(again)!.assignment)).toBe('a');
});

test('who does not come back to a joining phase that was loaded is removed after the rebalance timeout', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, () => ({ sessionTimeoutMs: 3 * REBALANCE_MS }));
  for (const member of [leader!, other!]) group.join({ ...member, sessionTimeoutMs: 3 * REBALANCE_MS });
  group.reload();
  group.sync(other!);
  group.pass(REBALANCE_MS);
  expect(group.heartbeat(leader!)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.group.memberCount).toBe(1);
});

test('a member that is sent to join again says more than was stored of it, and all join again', () => {
  const group = new TestGroup();
  const member = joinedIn(group, { protocols: ['range', 'sticky'] });
  const { generation } = group.group;
  group.reload();
  const join = group.joined(group.join({ ...member, protocols: ['range', 'sticky'] }));
  expect(join).toMatchObject({ error: 'NONE', generation: generation + 1 });
});

test('a group that was deleted is dead, and one that comes after it begins anew', () => {
  const group = new TestGroup();
  group.leave(...stable(group, 1));
  expect(group.deleted(group.delete())).toBe('NONE');
  expect(group.stored).toBeNull();
  expect(group.group.state).toBe('Dead');
  const other = new TestGroup();
  other.group.load(group.log[0]!);
  other.group.load(null);
  expect(other.group.state).toBe('Dead');
  other.group.load(group.log[0]!);
  expect(other.group.state).toBe('CompletingRebalance');
  expect(other.group.memberCount).toBe(1);
});

test('records of old versions are read: without a rebalance timeout, without a time, without a leader', () => {
  const group = new TestGroup();
  const assignment = bytesOf('x');
  const member = { memberId: 'm', groupInstanceId: null, clientId: 'c', clientHost: '/h', sessionTimeout: SESSION_MS };
  group.log.push({
    protocolType: 'consumer',
    generation: 7,
    protocol: 'range',
    leader: null,
    currentStateTimestamp: -1,
    members: [{ ...member, rebalanceTimeout: -1, subscription: bytesOf('t'), assignment }],
  });
  group.reload();
  expect(group.group.describe()).toMatchObject({
    state: 'Stable',
    protocol: 'range',
    members: [{ memberId: 'm', clientId: 'c', clientHost: '/h', metadata: bytesOf('t'), assignment }],
  });
  expect(group.joined(group.join({ memberId: 'm', protocols: ['range=t'] }))).toMatchObject({
    generation: 8,
    leader: 'm',
  });
  expect(group.stored!.members[0]!.rebalanceTimeout).toBe(REBALANCE_MS);
});

test('the generation goes on where it was, also over an empty group', () => {
  const group = new TestGroup();
  group.leave(...stable(group, 2));
  const { generation } = group.group;
  group.reload();
  expect(group.group.state).toBe('Empty');
  expect(group.joined(group.join({}))!.generation).toBe(generation + 1);
});
