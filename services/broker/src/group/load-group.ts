import { assert } from '@weir/base/assert.ts';
import type { GroupCore } from './group-core.ts';
import type { GroupTime } from './group-messages.ts';
import type { GroupRecord } from './group-record.ts';
import type { GroupState } from './group-state.ts';
import { awaitSyncs, rebalance } from './rebalance.ts';

/** Takes over a record that was stored before: nothing else is known of the group. Null: a tombstone. */
export function loadGroup<Token>(core: GroupCore<Token>, record: GroupRecord | null): void {
  assert(core.write === undefined, 'a group is loaded that stores something itself');
  const { members } = core;
  for (const member of members) members.remove(member);
  members.pending.clear();
  core.nextDeadlineMs = core.joinDeadlineMs = core.syncDeadlineMs = core.initial = undefined;
  core.protocolType = record === null || record.protocolType === '' ? undefined : record.protocolType;
  const protocol = record?.protocol ?? '';
  for (const stored of record?.members ?? []) {
    const { memberId: id, groupInstanceId, clientId, clientHost, subscription, assignment } = stored;
    const { sessionTimeout: sessionTimeoutMs, rebalanceTimeout } = stored;
    const rebalanceTimeoutMs = rebalanceTimeout === -1 ? sessionTimeoutMs : rebalanceTimeout;
    const protocols = [{ name: protocol, metadata: subscription }];
    const instanceId = groupInstanceId ?? undefined;
    const deadlineMs = Number.POSITIVE_INFINITY;
    members.add(
      { id, instanceId, clientId, clientHost, protocols, sessionTimeoutMs, rebalanceTimeoutMs, deadlineMs },
      assignment,
    );
  }
  const [first] = members;
  const isUnassigned = [...members].every(({ assignment }) => assignment.length === 0);
  for (const member of members) member.owesSync = member.hasToRejoin = isUnassigned;
  core.adopt(record ?? { generation: 0, protocol: null, leader: null });
  // Nobody else could assign.
  if (members.get(core.leaderId ?? '') === undefined) core.leaderId = first?.id;
  const settled: GroupState = isUnassigned ? 'CompletingRebalance' : 'Stable';
  const state = first === undefined ? 'Empty' : settled;
  core.resume(record === null ? 'Dead' : state, record?.currentStateTimestamp ?? -1);
}

/** All that there was is loaded: from now on time passes for the members, who have a whole session timeout each. */
export function beginGroup<Token>(core: GroupCore<Token>, now: GroupTime): void {
  for (const member of core.members) core.restart(member, now);
  if (core.state === 'CompletingRebalance') awaitSyncs(core, now);
  if (core.members.size > core.options.membersMax) rebalance(core, 'it has more members than it may have by now', now);
}
