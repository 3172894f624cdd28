import { chooseProtocol } from './choose-protocol.ts';
import type { GroupCore, InitialDelay } from './group-core.ts';
import type { GroupMember } from './group-members.ts';
import { NOTHING, syncRefused } from './group-messages.ts';
import type { GroupTime } from './group-messages.ts';

/** Members have come, changed or gone: begins a joining phase, or ends the one that is on if all have joined. */
export function rebalance<Token>(core: GroupCore<Token>, reason: string, now: GroupTime): void {
  switch (core.state) {
    case 'Empty':
    case 'CompletingRebalance':
    case 'Stable':
      prepareRebalance(core, reason, now);
      return;
    case 'PreparingRebalance':
      // More may come to a group that was empty.
      if (core.initial === undefined) endJoiningIfAllJoined(core, now);
      return;
    case 'Dead':
      return;
  }
}

/** Somebody who was waited for is gone. */
export function endJoiningIfAllJoined<Token>(core: GroupCore<Token>, now: GroupTime): void {
  if (core.state === 'PreparingRebalance' && core.members.haveAllJoined) endJoining(core, now);
}

/** Everybody is to join anew. */
export function prepareRebalance<Token>(core: GroupCore<Token>, reason: string, now: GroupTime): void {
  const isInitial = core.state === 'Empty';
  if (core.state === 'CompletingRebalance') {
    for (const member of core.members) core.answerSync(member, syncRefused('REBALANCE_IN_PROGRESS'), now);
  }
  for (const member of core.members) member.owesSync = false;
  core.syncDeadlineMs = undefined;
  core.become('PreparingRebalance', now.wallMs);
  core.note('rebalance', `of generation ${core.generation}: ${reason}`);
  const { initialRebalanceDelayMs: delayMs } = core.options;
  if (isInitial && delayMs > 0) {
    const remainingMs = Math.max(0, core.members.rebalanceTimeoutMs - delayMs);
    waitForMore(core, { delayMs, remainingMs, hasGrown: false }, now);
  } else if (isInitial || core.members.haveAllJoined) {
    endJoining(core, now);
  } else {
    awaitJoins(core, now);
  }
}

/** The joining phase goes on for as long as the slowest member may take. */
export function awaitJoins<Token>(core: GroupCore<Token>, now: GroupTime): void {
  core.initial = undefined;
  core.joinDeadlineMs = now.ms + core.members.rebalanceTimeoutMs;
  core.plan(core.joinDeadlineMs);
}

/** Members that have joined have so long to sync. */
export function awaitSyncs<Token>(core: GroupCore<Token>, now: GroupTime): void {
  core.syncDeadlineMs = now.ms + core.members.rebalanceTimeoutMs;
  core.plan(core.syncDeadlineMs);
}

/** Does what is due. While a record is on its way that has time. */
export function expire<Token>(core: GroupCore<Token>, now: GroupTime): void {
  if (core.write !== undefined) return;
  expireMembers(core, now);
  if (core.write === undefined && core.joinDeadlineMs !== undefined && core.joinDeadlineMs <= now.ms) {
    joinDeadline(core, now);
  }
  if (core.write === undefined && core.syncDeadlineMs !== undefined && core.syncDeadlineMs <= now.ms) {
    syncDeadline(core, now);
  }
  const deadlines = [core.joinDeadlineMs, core.syncDeadlineMs, ...core.members.pending.values()];
  for (const member of core.members) if (!isWaiting(member)) deadlines.push(member.deadlineMs);
  core.nextDeadlineMs = undefined;
  for (const ms of deadlines) if (ms !== undefined) core.plan(ms);
}

function waitForMore<Token>(core: GroupCore<Token>, initial: InitialDelay, now: GroupTime): void {
  core.initial = initial;
  core.joinDeadlineMs = now.ms + initial.delayMs;
  core.plan(core.joinDeadlineMs);
}

/** The next generation is of those who have joined, and of static members. */
function endJoining<Token>(core: GroupCore<Token>, now: GroupTime): void {
  const { members } = core;
  core.initial = undefined;
  core.joinDeadlineMs = undefined;
  for (const member of members) {
    if (member.joining === undefined && member.instanceId === undefined) core.remove(member, 'it did not join', now);
  }
  const generation = core.generation + 1;
  if (members.size === 0) {
    const record = core.recordOf({ generation, protocol: undefined, leader: undefined }, now);
    core.store({ kind: 'emptied', record, left: [] });
    return;
  }
  const joined = [...members].filter(({ joining }) => joining !== undefined);
  const leader = joined.find(({ id }) => id === core.leaderId) ?? joined[0];
  if (leader === undefined) {
    // Static members alone, of whom none has come: their session timeouts decide.
    awaitJoins(core, now);
    return;
  }
  for (const member of members) member.assignment = NOTHING;
  const protocol = chooseProtocol([...members].map(({ protocols }) => protocols));
  core.store({ kind: 'generation', record: core.recordOf({ generation, protocol, leader: leader.id }, now) });
}

function expireMembers<Token>(core: GroupCore<Token>, now: GroupTime): void {
  const { pending } = core.members;
  const pendingBefore = pending.size;
  for (const [id, deadlineMs] of pending) if (deadlineMs <= now.ms) pending.delete(id);
  const silent = [...core.members].filter((member) => member.deadlineMs <= now.ms && !isWaiting(member));
  for (const member of silent) core.remove(member, 'its session timed out', now);
  const isSettled = core.state === 'Stable' || core.state === 'CompletingRebalance';
  if (isSettled && silent.length > 0) prepareRebalance(core, 'members were not heard of in time', now);
  else if (silent.length > 0 || pending.size < pendingBefore) endJoiningIfAllJoined(core, now);
}

function joinDeadline<Token>(core: GroupCore<Token>, now: GroupTime): void {
  const { initial } = core;
  if (initial === undefined || !initial.hasGrown || initial.remainingMs === 0) {
    endJoining(core, now);
    return;
  }
  const delayMs = Math.min(core.options.initialRebalanceDelayMs, initial.remainingMs);
  const remainingMs = Math.max(0, initial.remainingMs - initial.delayMs);
  waitForMore(core, { delayMs, remainingMs, hasGrown: false }, now);
}

function syncDeadline<Token>(core: GroupCore<Token>, now: GroupTime): void {
  core.syncDeadlineMs = undefined;
  const owing = [...core.members].filter(({ owesSync }) => owesSync);
  for (const member of owing) core.remove(member, 'it joined and did not sync', now);
  if (owing.length > 0) prepareRebalance(core, 'members did not sync in time', now);
}

/** Who waits for an answer is not asked to be heard of; who is new may have gone away while it waits. */
function isWaiting<Token>({ isNew, joining, syncing }: GroupMember<Token>): boolean {
  return !isNew && (joining !== undefined || syncing !== undefined);
}
