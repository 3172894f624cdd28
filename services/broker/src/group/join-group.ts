import {
  GROUP_NEW_MEMBER_JOIN_MS,
  GROUP_PENDING_MEMBERS_MAX,
  GROUP_REASON_CHARS_MAX,
} from '@weir/base/group-limits.ts';
import { chooseProtocol, saysTheSame } from './choose-protocol.ts';
import { termsOf } from './group-core.ts';
import type { GroupCore } from './group-core.ts';
import type { GroupMember } from './group-members.ts';
import type { GroupError } from './group-error.ts';
import { joinRefused, newMemberId, NOTHING, syncRefused } from './group-messages.ts';
import type { GroupTime, JoinRequest } from './group-messages.ts';
import { prepareRebalance, rebalance } from './rebalance.ts';

/** One JoinGroup. */
interface Joining<Token> {
  readonly request: JoinRequest;
  readonly token: Token;
  readonly now: GroupTime;
}

/** A member, or who wants to become one, asks for the next generation. No record of the group is on its way. */
export function joinGroup<Token>(core: GroupCore<Token>, joining: Joining<Token>): void {
  const { request, now } = joining;
  const { memberId } = request;
  const { sessionTimeoutMsMin, sessionTimeoutMsMax } = core.options;
  if (core.state === 'Dead') {
    refuse(core, joining, 'COORDINATOR_NOT_AVAILABLE', memberId);
  } else if (request.sessionTimeoutMs < sessionTimeoutMsMin || request.sessionTimeoutMs > sessionTimeoutMsMax) {
    refuse(core, joining, 'INVALID_SESSION_TIMEOUT', memberId);
  } else if (!hasRoomFor(core, memberId)) {
    refuse(core, joining, 'GROUP_MAX_SIZE_REACHED', '');
    const member = core.members.get(memberId);
    if (member !== undefined) core.remove(member, 'the group has as many members as it may have', now);
    core.members.pending.delete(memberId);
    // Nobody waits for it any more.
    if (core.state === 'PreparingRebalance') rebalance(core, '', now);
  } else if (!isConsistent(core, request)) {
    refuse(core, joining, 'INCONSISTENT_GROUP_PROTOCOL', memberId);
  } else if (memberId !== '') {
    joinAgain(core, joining);
  } else if (request.instanceId === undefined) {
    joinNew(core, joining);
  } else {
    joinStatic(core, joining, request.instanceId);
  }
}

function refuse<Token>(core: GroupCore<Token>, { token }: Joining<Token>, error: GroupError, memberId: string): void {
  core.emit({ kind: 'joined', token, response: joinRefused(error, memberId) });
}

/** In the joining phase it is those who have joined that count: so the last ones to come are left out. */
function hasRoomFor<Token>({ state, members, options }: GroupCore<Token>, memberId: string): boolean {
  const member = members.get(memberId);
  switch (state) {
    case 'Empty':
    case 'Dead':
      return true;
    case 'PreparingRebalance':
      return member?.joining !== undefined || members.joiningCount < options.membersMax;
    case 'CompletingRebalance':
    case 'Stable':
      return member !== undefined || members.size < options.membersMax;
  }
}

function isConsistent<Token>(core: GroupCore<Token>, { protocolType, protocols }: JoinRequest): boolean {
  if (core.state === 'Empty') return protocolType !== '' && protocols.length > 0;
  return protocolType === core.protocolType && core.members.support(protocols);
}

function joinNew<Token>(core: GroupCore<Token>, joining: Joining<Token>): void {
  const { request, now } = joining;
  const id = newMemberId(request);
  const { pending } = core.members;
  if (!request.needsMemberId) {
    addMember(core, joining, { id, isIdKnown: false });
  } else if (pending.size >= GROUP_PENDING_MEMBERS_MAX) {
    refuse(core, joining, 'COORDINATOR_NOT_AVAILABLE', '');
  } else {
    const deadlineMs = now.ms + request.sessionTimeoutMs;
    pending.set(id, deadlineMs);
    core.plan(deadlineMs);
    refuse(core, joining, 'MEMBER_ID_REQUIRED', id);
  }
}

function joinStatic<Token>(core: GroupCore<Token>, joining: Joining<Token>, instanceId: string): void {
  const { request, token, now } = joining;
  const id = newMemberId(request);
  const old = core.members.ofInstance(instanceId);
  if (old === undefined) {
    addMember(core, joining, { id, isIdKnown: false });
    return;
  }
  if (core.state === 'Stable' && keepsProtocol(core, old, request)) {
    const { generation, protocol, leaderId } = core;
    const leader = leaderId === old.id ? id : leaderId;
    const others = [...core.members].filter((member) => member !== old);
    const record = core.recordOf({ generation, protocol, leader }, now, [
      ...others,
      { ...old, ...termsOf(request), id },
    ]);
    core.store({ kind: 'replacement', record, replacement: { oldId: old.id, newId: id, request, token } });
    return;
  }
  core.answerJoin(old, joinRefused('FENCED_INSTANCE_ID', old.id), now);
  core.answerSync(old, syncRefused('FENCED_INSTANCE_ID'), now);
  const isLeader = core.leaderId === old.id;
  const member = core.members.replace(old, id);
  if (isLeader) core.leaderId = id;
  core.note('replaced', `${old.id} by ${id}`);
  update(core, member, joining);
  // Who assigns may know the old id: so nobody can go on with what is being assigned.
  rebalance(core, `the static member ${instanceId} is back${reasonOf(request)}`, now);
}

/** Whether the generation's protocol would be chosen again. */
function keepsProtocol<Token>(core: GroupCore<Token>, member: GroupMember<Token>, request: JoinRequest): boolean {
  const ballots = [...core.members].map((one) => (one === member ? request.protocols : one.protocols));
  return chooseProtocol(ballots) === core.protocol;
}

function joinAgain<Token>(core: GroupCore<Token>, joining: Joining<Token>): void {
  const { request, token, now } = joining;
  const { memberId } = request;
  if (core.members.pending.has(memberId) && request.instanceId === undefined) {
    addMember(core, joining, { id: memberId, isIdKnown: true });
    return;
  }
  const member = core.members.check(request);
  if (typeof member === 'string') {
    refuse(core, joining, member, memberId);
    return;
  }
  member.hasToRejoin = false;
  const isSame = saysTheSame(member.protocols, request.protocols);
  switch (core.state) {
    case 'PreparingRebalance':
      update(core, member, joining);
      rebalance(core, '', now);
      return;
    case 'CompletingRebalance':
    case 'Stable':
      // It may have missed the answer. But a leader of a stable group that asks wants to assign anew.
      if (isSame && !(core.state === 'Stable' && memberId === core.leaderId)) {
        core.emit({ kind: 'joined', token, response: core.joined(member) });
        core.renew(member, now);
        return;
      }
      update(core, member, joining);
      prepareRebalance(core, `${memberId} ${isSame ? 'leads and ' : ''}joins again${reasonOf(request)}`, now);
      return;
    case 'Empty':
    case 'Dead':
      // Nobody is in it: the check has failed.
      return;
  }
}

function addMember<Token>(
  core: GroupCore<Token>,
  { request, token, now }: Joining<Token>,
  { id, isIdKnown }: { readonly id: string; readonly isIdKnown: boolean },
): void {
  core.adoptProtocolType(request.protocolType);
  core.noteGrowth();
  const { instanceId, clientId, clientHost } = request;
  const deadlineMs = now.ms + GROUP_NEW_MEMBER_JOIN_MS;
  const member = core.members.add({ id, instanceId, clientId, clientHost, deadlineMs, ...termsOf(request) }, NOTHING);
  member.isNew = true;
  member.isIdKnown = isIdKnown;
  core.plan(deadlineMs);
  core.members.waitToJoin(member, token);
  rebalance(core, `${id} joins${reasonOf(request)}`, now);
}

/** A member waits for the next generation, on the terms that it has now. */
function update<Token>(
  core: GroupCore<Token>,
  member: GroupMember<Token>,
  { request, token, now }: Joining<Token>,
): void {
  core.members.update(member, termsOf(request));
  const before = core.members.waitToJoin(member, token);
  if (before !== undefined) {
    // Its client has given up that request, or lost the connection.
    const response = joinRefused('REBALANCE_IN_PROGRESS', member.isIdKnown ? member.id : '');
    core.emit({ kind: 'joined', token: before.token, response });
  }
  core.renew(member, now);
}

function reasonOf({ reason }: JoinRequest): string {
  return reason === undefined ? '' : `: ${reason.slice(0, GROUP_REASON_CHARS_MAX)}`;
}
