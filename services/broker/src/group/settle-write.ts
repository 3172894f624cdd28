import { present } from '@weir/base/assert.ts';
import { termsOf } from './group-core.ts';
import type { GroupCore, LeaveAnswer, Replacement, Write } from './group-core.ts';
import type { GroupError } from './group-error.ts';
import { joinRefused, syncRefused } from './group-messages.ts';
import type { GroupTime } from './group-messages.ts';
import type { StoreOutcome } from './group-record.ts';
import { awaitJoins, awaitSyncs, prepareRebalance } from './rebalance.ts';

/** The record that was on its way is stored, and whoever waits for it is told; or it never will be. */
export function settleWrite<Token>(core: GroupCore<Token>, outcome: StoreOutcome<GroupError>, now: GroupTime): void {
  const write = present(core.write, 'nothing of the group was on its way');
  core.write = undefined;
  if (outcome.kind === 'committed') committed(core, write, now);
  else refused(core, write, outcome.error, now);
}

/** Nothing is coordinated here any more. Whoever waits is told. */
export function endGroup<Token>(core: GroupCore<Token>, error: GroupError, now: GroupTime): void {
  const { write } = core;
  core.write = undefined;
  switch (write?.kind) {
    case 'emptied':
      for (const { token } of write.left) core.emit({ kind: 'left', token, response: { error, members: [] } });
      break;
    case 'replacement':
      core.emit({ kind: 'joined', token: write.replacement.token, response: joinRefused(error, '') });
      break;
    case 'tombstone':
      core.emit({ kind: 'deleted', token: write.token, error });
      break;
    case 'generation':
    case 'assignment':
    case undefined:
      break;
  }
  for (const member of core.members) {
    core.answerJoin(member, joinRefused(error, member.isIdKnown ? member.id : ''), now);
    core.answerSync(member, syncRefused(error), now);
  }
  core.members.pending.clear();
  core.become('Dead', now.wallMs);
  core.nextDeadlineMs = undefined;
}

function committed<Token>(core: GroupCore<Token>, write: Write<Token>, now: GroupTime): void {
  switch (write.kind) {
    case 'generation':
      core.adopt(write.record);
      core.become('CompletingRebalance', write.record.currentStateTimestamp);
      for (const member of core.members) {
        member.isNew = false;
        member.hasToRejoin = false;
        member.owesSync = true;
        core.answerJoin(member, core.joined(member), now);
        core.restart(member, now);
      }
      awaitSyncs(core, now);
      core.note('generation', `${core.generation} with ${core.members.size} members, led by ${core.leaderId}`);
      return;
    case 'emptied':
      core.adopt(write.record);
      empty(core, write.left, write.record.currentStateTimestamp);
      return;
    case 'assignment':
      core.become('Stable', write.record.currentStateTimestamp);
      for (const { memberId, assignment } of write.record.members) {
        const member = present(core.members.get(memberId), 'a member is gone that something was assigned to');
        member.assignment = assignment;
        core.answerSync(member, core.synced(member), now);
      }
      core.note('stable', `generation ${core.generation} with ${core.members.size} members`);
      return;
    case 'replacement':
      replaced(core, write.replacement, now);
      return;
    case 'tombstone':
      core.become('Dead', now.wallMs);
      core.members.pending.clear();
      core.emit({ kind: 'deleted', token: write.token, error: 'NONE' });
      return;
  }
}

function refused<Token>(core: GroupCore<Token>, write: Write<Token>, error: GroupError, now: GroupTime): void {
  core.note('refused', `the record of the group (${write.kind}) was not stored: ${error}`);
  switch (write.kind) {
    case 'generation':
      // They join again. Whose client does not know its id comes as somebody else, but for static members.
      for (const member of core.members) {
        const isKnown = member.isIdKnown;
        core.answerJoin(member, joinRefused(error, isKnown ? member.id : ''), now);
        member.isNew = false;
        if (!isKnown && member.instanceId === undefined) core.members.remove(member);
      }
      if (core.members.size === 0 && core.members.pending.size === 0) empty(core, [], now.wallMs);
      else awaitJoins(core, now);
      return;
    case 'emptied':
      // Nobody was told anything. Whoever loads the group later finds members that will not be heard of.
      empty(core, write.left, now.wallMs);
      return;
    case 'assignment':
      for (const member of core.members) core.answerSync(member, syncRefused(error), now);
      prepareRebalance(core, `its assignment was not stored: ${error}`, now);
      return;
    case 'replacement':
      core.emit({ kind: 'joined', token: write.replacement.token, response: joinRefused(error, '') });
      return;
    case 'tombstone':
      core.emit({ kind: 'deleted', token: write.token, error });
      return;
  }
}

function empty<Token>(core: GroupCore<Token>, left: readonly LeaveAnswer<Token>[], sinceMs: number): void {
  core.protocol = core.leaderId = undefined;
  core.readTopics();
  core.become('Empty', sinceMs);
  for (const { token, response } of left) core.emit({ kind: 'left', token, response });
  core.note('emptied', `generation ${core.generation}`);
}

/** A static member is back in a stable group. Its client does not know which assignment it had, and gets it by its SyncGroup. */
function replaced<Token>(
  core: GroupCore<Token>,
  { oldId, newId, request, token }: Replacement<Token>,
  now: GroupTime,
): void {
  const leaderBefore = core.leaderId ?? '';
  const old = present(core.members.get(oldId), 'a static member is gone that another one replaces');
  const member = core.members.replace(old, newId);
  core.members.update(member, termsOf(request));
  if (leaderBefore === oldId) core.leaderId = newId;
  core.readTopics();
  member.isIdKnown = true;
  const response = core.joined(member);
  core.emit({
    kind: 'joined',
    token,
    // Before version 9 nobody can be told to lead without assigning: so it is told that who led before still does, which is nobody.
    response: request.maySkipAssignment
      ? { ...response, skipAssignment: core.leaderId === newId }
      : { ...response, leader: leaderBefore, members: [] },
  });
  core.restart(member, now);
  core.note('replaced', `${oldId} by ${newId}, without a rebalance`);
}
