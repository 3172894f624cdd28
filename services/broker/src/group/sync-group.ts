import type { GroupCore } from './group-core.ts';
import type { GroupError } from './group-error.ts';
import { NOTHING, syncRefused } from './group-messages.ts';
import type { GroupTime, SyncRequest } from './group-messages.ts';

/**
 * A member asks for its assignment; the leader brings those of all. A record of the group may be on its way: nobody who asks can
 * know of it yet, but for the assignment's own, which everybody waits for.
 */
export function syncGroup<Token>(
  core: GroupCore<Token>,
  { request, token, now }: { readonly request: SyncRequest; readonly token: Token; readonly now: GroupTime },
): void {
  const refuse = (error: GroupError): void => core.emit({ kind: 'synced', token, response: syncRefused(error) });
  if (core.state === 'Dead') {
    refuse('COORDINATOR_NOT_AVAILABLE');
    return;
  }
  const member = core.members.check(request);
  if (typeof member === 'string') {
    refuse(member);
  } else if (request.generation !== core.generation) {
    refuse('ILLEGAL_GENERATION');
  } else if (differs(request.protocolType, core.protocolType) || differs(request.protocol, core.protocol)) {
    refuse('INCONSISTENT_GROUP_PROTOCOL');
  } else if (core.state === 'PreparingRebalance') {
    core.renew(member, now);
    refuse('REBALANCE_IN_PROGRESS');
  } else {
    core.renew(member, now);
    member.owesSync = false;
    member.hasToRejoin = false;
    if (core.state === 'Stable') {
      core.emit({ kind: 'synced', token, response: core.synced(member) });
      return;
    }
    const before = core.members.waitToSync(member, token);
    // Its client has given up that request, or lost the connection.
    if (before !== undefined) {
      core.emit({ kind: 'synced', token: before.token, response: syncRefused('REBALANCE_IN_PROGRESS') });
    }
    if (member.id === core.leaderId && core.write === undefined) assign(core, request, now);
  }
}

/** What the leader says of whom is stored; who is not in it gets nothing. */
function assign<Token>(core: GroupCore<Token>, { assignments }: SyncRequest, now: GroupTime): void {
  const { generation, protocol, leaderId: leader } = core;
  const byId = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
  const members = [...core.members].map((one) => ({ ...one, assignment: byId.get(one.id) ?? NOTHING }));
  core.store({ kind: 'assignment', record: core.recordOf({ generation, protocol, leader }, now, members) });
}

/** Not said, before version 5, it is not compared. */
function differs(said: string | undefined, known: string | undefined): boolean {
  return said !== undefined && known !== undefined && said !== known;
}
