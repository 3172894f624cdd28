import { expect, test } from 'vitest';
import { ERRORS } from '@weir/base/errors.ts';
import { errorOfRefusedRecord } from './group-error.ts';
import { bytesOf, stable, TestGroup } from './test-group.ts';

test('a stable group tells what its members said and got, and another one who is in it', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => ({
    clientId: `c${i}`,
    clientHost: `/10.0.0.${i}`,
    protocols: ['range=t'],
  }));
  expect(group.group.describe()).toEqual({
    state: 'Stable',
    protocolType: 'consumer',
    protocol: 'range',
    members: [leader!, other!].map(({ memberId }, i) => ({
      memberId,
      instanceId: undefined,
      clientId: `c${i}`,
      clientHost: `/10.0.0.${i}`,
      metadata: bytesOf('t'),
      assignment: bytesOf(memberId),
    })),
  });
  group.join(leader!);
  expect(group.group.describe()).toMatchObject({ state: 'PreparingRebalance', protocol: '', protocolType: 'consumer' });
  expect(group.group.describe().members.map(({ metadata }) => metadata.length)).toEqual([0, 0]);
});

test('a group that only commits is a simple one', () => {
  const group = new TestGroup();
  expect(group.commit({ memberId: '', generation: -1 })).toBe('NONE');
  expect(group.commit({ memberId: '', generation: 0 })).toBe('UNKNOWN_MEMBER_ID');
  expect(group.group).toMatchObject({ isSimple: true, state: 'Empty', protocolType: undefined });
  stable(group, 1);
  expect(group.group.isSimple).toBe(false);
});

test('a commit has to be of a member and its generation, or of nobody while nobody is in the group', () => {
  const group = new TestGroup();
  const [leader, other] = stable(group, 2, (i) => (i === 1 ? { instanceId: 'i' } : {}));
  const { generation } = group.group;
  const nobody = { memberId: '', generation: -1 };
  expect(group.commit(leader!)).toBe('NONE');
  expect(group.commit(other!)).toBe('NONE');
  expect(group.commit(nobody)).toBe('UNKNOWN_MEMBER_ID');
  expect(group.commit({ memberId: 'stranger' })).toBe('UNKNOWN_MEMBER_ID');
  expect(group.commit({ memberId: 'stranger', instanceId: 'i' })).toBe('FENCED_INSTANCE_ID');
  for (const wrong of [-1, 0, generation - 1, generation + 1]) {
    expect(group.commit({ ...leader!, generation: wrong })).toBe('ILLEGAL_GENERATION');
  }
  const joins = [group.join(leader!)];
  expect(group.commit(other!)).toBe('NONE');
  joins.push(group.join({ ...other!, protocols: ['range=new'] }));
  expect(group.group.state).toBe('CompletingRebalance');
  expect(group.commit(other!)).toBe('REBALANCE_IN_PROGRESS');
  expect(group.commit({ ...other!, generation })).toBe('ILLEGAL_GENERATION');
  group.leave(leader!, other!);
  expect(group.commit(nobody)).toBe('NONE');
  expect(group.commit({ ...leader!, generation })).toBe('UNKNOWN_MEMBER_ID');
});

test('only an empty group can be deleted, and nothing is committed to it meanwhile', () => {
  const group = new TestGroup();
  const [member] = stable(group, 1);
  expect(group.deleted(group.delete())).toBe('NON_EMPTY_GROUP');
  group.leave(member!);
  group.isManual = true;
  const first = group.delete();
  const second = group.delete();
  expect(group.commit({ memberId: '', generation: -1 })).toBe('COORDINATOR_NOT_AVAILABLE');
  group.refuse();
  expect(group.deleted(first)).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(group.commit({ memberId: '', generation: -1 })).toBe('COORDINATOR_NOT_AVAILABLE');
  group.store();
  expect(group.deleted(second)).toBe('NONE');
  group.isManual = false;
  expect(group.group.state).toBe('Dead');
  expect(group.group.offsetDeleteError('topic')).toBe('GROUP_ID_NOT_FOUND');
  expect(group.deleted(group.delete())).toBe('GROUP_ID_NOT_FOUND');
  expect(group.joined(group.join({}))!.error).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(group.synced(group.sync(member!))!.error).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(group.left(group.leave(member!))!.error).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(group.commit({ memberId: '', generation: -1 })).toBe('COORDINATOR_NOT_AVAILABLE');
});

test('offsets of a topic can be deleted while no consumer reads it', () => {
  const group = new TestGroup();
  const errorOf = (topic: string): string => group.group.offsetDeleteError(topic);
  expect(errorOf('a')).toBe('NONE');
  const [leader, other] = stable(group, 2, (i) => ({ protocols: [`range=${i === 0 ? 'a,b' : 'c'}`] }));
  expect(['a', 'b', 'c', 'd'].map(errorOf)).toEqual([
    'GROUP_SUBSCRIBED_TO_TOPIC',
    'GROUP_SUBSCRIBED_TO_TOPIC',
    'GROUP_SUBSCRIBED_TO_TOPIC',
    'NONE',
  ]);
  group.reload();
  expect([errorOf('c'), errorOf('d')]).toEqual(['GROUP_SUBSCRIBED_TO_TOPIC', 'NONE']);
  group.leave(leader!, other!);
  expect(errorOf('a')).toBe('NONE');
});

test('of consumers that cannot be read, and of members that are none, nothing can be deleted', () => {
  const group = new TestGroup();
  stable(group, 1, () => ({ protocols: ['range=!'] }));
  expect(group.group.offsetDeleteError('a')).toBe('GROUP_SUBSCRIBED_TO_TOPIC');
  const workers = new TestGroup();
  stable(workers, 1, () => ({ protocolType: 'connect' }));
  expect(workers.group.offsetDeleteError('a')).toBe('NON_EMPTY_GROUP');
});

test('offsets are kept while members may need them, and else for a time from the commit or from the end of the group on', () => {
  const group = new TestGroup();
  const of = (topic: string): string => group.group.retentionOf(topic).from;
  expect(of('a')).toBe('commit');
  const [leader] = stable(group, 1, () => ({ protocols: ['range=a'] }));
  expect([of('a'), of('b')]).toEqual(['never', 'commit']);
  group.join({ protocols: ['range=a'] });
  expect([of('a'), of('b')]).toEqual(['never', 'never']);
  const empty = new TestGroup();
  const members = stable(empty, 1);
  empty.pass(5);
  empty.leave(...members);
  expect(empty.group.retentionOf('a')).toEqual({ from: 'emptied', ms: empty.now.wallMs });
  empty.pass(1_000);
  empty.reload();
  expect(empty.group.retentionOf('a')).toEqual({ from: 'emptied', ms: empty.now.wallMs - 1_000 });
  const workers = new TestGroup();
  stable(workers, 1, () => ({ protocolType: 'connect' }));
  expect(workers.group.retentionOf('a').from).toBe('never');
  expect(leader).toBeDefined();
});

test('a record that cannot be stored is told as Kafka tells it', () => {
  const numberOf = (code: Parameters<typeof errorOfRefusedRecord>[0]): number =>
    ERRORS[errorOfRefusedRecord(code)].number;
  expect(numberOf('NOT_ENOUGH_REPLICAS')).toBe(15);
  expect(numberOf('UNKNOWN_TOPIC_OR_PARTITION')).toBe(15);
  expect(numberOf('NOT_LEADER_OR_FOLLOWER')).toBe(16);
  expect(numberOf('MESSAGE_TOO_LARGE')).toBe(-1);
});
