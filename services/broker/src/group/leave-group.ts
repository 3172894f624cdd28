import { GROUP_REASON_CHARS_MAX } from '@weir/base/group-limits.ts';
import type { GroupCore } from './group-core.ts';
import type { GroupError } from './group-error.ts';
import type { GroupTime, LeaveResponse, LeavingMember } from './group-messages.ts';
import { rebalance } from './rebalance.ts';

/** Members go, or are sent away by their instance ids. No record of the group is on its way. */
export function leaveGroup<Token>(
  core: GroupCore<Token>,
  {
    members,
    token,
    now,
  }: { readonly members: readonly LeavingMember[]; readonly token: Token; readonly now: GroupTime },
): void {
  if (core.state === 'Dead') {
    core.emit({ kind: 'left', token, response: { error: 'COORDINATOR_NOT_AVAILABLE', members: [] } });
    return;
  }
  const answers = members.map((leaving) => {
    const { memberId, instanceId } = leaving;
    return { memberId, instanceId, error: leave(core, leaving, now) };
  });
  const response: LeaveResponse = { error: 'NONE', members: answers };
  if (core.state !== 'Empty' && answers.some(({ error }) => error === 'NONE')) rebalance(core, 'members left', now);
  // Who comes next, as somebody who sets the offsets of a group that is empty, finds it so.
  if (core.write?.kind === 'emptied') core.write.left.push({ token, response });
  else core.emit({ kind: 'left', token, response });
}

function leave<Token>(
  core: GroupCore<Token>,
  { memberId, instanceId, reason }: LeavingMember,
  now: GroupTime,
): GroupError {
  if (core.members.pending.delete(memberId)) return 'NONE';
  const known = memberId === '' && instanceId !== undefined ? core.members.ofInstance(instanceId)?.id : memberId;
  const member = core.members.check({ memberId: known ?? '', instanceId });
  if (typeof member === 'string') return member;
  core.remove(member, `it left: ${reason?.slice(0, GROUP_REASON_CHARS_MAX) ?? 'no reason given'}`, now);
  return 'NONE';
}
