import { assert, present } from '@weir/base/assert.ts';
import { GROUP_NEW_MEMBER_JOIN_MS } from '@weir/base/group-limits.ts';
import type { GroupError } from './group-error.ts';
import { REBALANCE_MS, SESSION_MS, TestGroup, textOf } from './test-group.ts';
import type { Happened, TestJoin } from './test-group.ts';

/** A client: what a consumer knows of itself. */
export interface Client {
  readonly index: number;
  instanceId: string | undefined;
  isAlive: boolean;
  protocols: string[];
  memberId: string;
  generation: number;
  leads: boolean;
  /** Whom it has to assign something to. */
  members: readonly string[];
  /** The request that it waits for. */
  joining: number | undefined;
  syncing: number | undefined;
  /** It has its assignment, and uses it. */
  assignment: string | undefined;
}

/**
 * Clients of a group, and what has to hold for them. What is checked of every answer is in TestGroup; here it is who may be
 * removed and who must be, who is fenced, what a stale generation may do, and that the group is what its log says.
 */
export class GroupWorld {
  readonly group: TestGroup;
  readonly clients: Client[] = [];
  readonly seen: Record<string, number> = {};
  /** When a member was last heard of, or its time began. */
  readonly #heardMs = new Map<string, number>();
  /** Since when the joining phase, or the wait for syncs, runs. */
  #phaseMs = 0;
  /** Of an instance id the member ids that were told to somebody; the last one counts. */
  readonly #toldIds = new Map<string, string[]>();
  /** Requests that were not answered when last looked at, and whose they are. */
  readonly #outstanding = new Map<number, string>();
  #checked = 0;
  #logged = 0;
  #assigned = 0;

  constructor(options: { readonly initialRebalanceDelayMs: number; readonly membersMax: number }, count: number) {
    this.group = new TestGroup(options);
    this.group.isManual = true;
    for (let index = 0; index < count; index++) {
      this.clients.push({
        index,
        // Two of them say that they are the same one.
        instanceId: index % 2 === 0 ? undefined : 'i',
        isAlive: true,
        protocols: ['range', 'sticky'],
        memberId: '',
        generation: -1,
        leads: false,
        members: [],
        joining: undefined,
        syncing: undefined,
        assignment: undefined,
      });
    }
  }

  see(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  join(client: Client, given: TestJoin = {}): void {
    const { memberId, instanceId, protocols, index } = client;
    client.assignment = undefined;
    client.joining = this.group.join({
      memberId,
      instanceId,
      protocols,
      clientId: `c${index}`,
      needsMemberId: true,
      ...given,
    });
    this.#outstanding.set(client.joining, memberId);
    this.check();
  }

  sync(client: Client): void {
    // Each leader says something that nobody else gets, in no other generation.
    const assignments = client.leads
      ? client.members.map((id) => [id, `${client.generation}/${id}/${++this.#assigned}`])
      : [];
    client.syncing = this.group.sync(identityOf(client), Object.fromEntries(assignments));
    this.#outstanding.set(client.syncing, client.memberId);
    this.check();
  }

  heartbeat(client: Client): GroupError {
    const answer = this.group.heartbeat(identityOf(client));
    this.#accepted(client, answer, ['NONE', 'REBALANCE_IN_PROGRESS']);
    return answer;
  }

  commit(client: Client): GroupError {
    const answer = this.group.commit(identityOf(client));
    this.#accepted(client, answer, ['NONE']);
    return answer;
  }

  leave(client: Client, byInstance: boolean): void {
    const { memberId, instanceId } = client;
    const token = this.group.leave(byInstance ? { instanceId } : { memberId, instanceId });
    this.forget(client, false);
    this.check();
    if (this.group.left(token) === undefined) this.see('leaves that wait');
  }

  /** It stands still for ever, or starts anew and knows nothing but its instance id. */
  forget(client: Client, isDead: boolean): void {
    Object.assign(client, {
      isAlive: !isDead,
      memberId: '',
      generation: -1,
      joining: undefined,
      syncing: undefined,
      assignment: undefined,
    });
  }

  /** What somebody says that is out of date has to be refused. */
  sayStale(client: Client, generation: number): void {
    const { memberId, instanceId } = client;
    const stored = this.group.stored;
    if (memberId === '' || generation === stored?.generation) return;
    const stale = { memberId, instanceId, generation };
    assert(this.group.heartbeat(stale) !== 'NONE', 'a heartbeat of a stale generation is taken');
    assert(generation < 0 || this.group.commit(stale) !== 'NONE', 'a commit of a stale generation is taken');
    const sync = this.group.synced(this.group.sync(stale, { [memberId]: 'stale' }));
    assert(sync !== undefined && sync.error !== 'NONE', 'a sync of a stale generation is taken');
    this.see(`stale generations, told ${sync.error}`);
    this.check();
  }

  pass(ms: number): void {
    this.group.pass(ms);
    this.check();
    if (this.group.pending === undefined) this.#checkSilent();
  }

  settle(isStored: boolean): void {
    if (this.group.pending === undefined) return;
    this.see(isStored ? 'records stored' : 'records refused');
    if (isStored) this.group.store();
    else this.group.refuse();
    this.check();
  }

  reload(isPendingStored: boolean): void {
    if (this.group.pending !== undefined)
      this.see(`loads with a record on its way, ${isPendingStored ? 'stored' : 'lost'}`);
    this.group.reload({ isPendingStored });
    this.see(`loads in ${this.group.group.state}`);
    this.#phaseMs = this.group.nowMs;
    for (const { memberId } of this.group.group.describe().members) this.#hear(memberId);
    this.check();
  }

  delete(): void {
    const token = this.group.delete();
    this.check();
    if (this.group.deleted(token) === undefined) this.see('deletions that wait');
  }

  /** After a tombstone the owner of the group begins a new one. */
  begin(): void {
    if (this.group.group.state !== 'Dead') return;
    this.see('groups deleted');
    this.group.reload();
    this.check();
  }

  /** Clients learn what they were told; and what has happened is checked. */
  check(): void {
    for (; this.#checked < this.group.happened.length; this.#checked++)
      this.#checkHappened(this.group.happened[this.#checked]!);
    for (; this.#logged < this.group.log.length; this.#logged++) this.#checkRecord(this.#logged);
    for (const [token, memberId] of this.#outstanding) {
      const response = this.group.joined(token) ?? this.group.synced(token);
      if (response === undefined) continue;
      this.#outstanding.delete(token);
      const id = 'memberId' in response && response.memberId !== '' ? response.memberId : memberId;
      const answeredMs = this.group.answeredMs.get(token)!;
      if (HEARD.has(response.error)) this.#heardMs.set(id, Math.max(answeredMs, this.#heardMs.get(id) ?? 0));
    }
    for (const client of this.clients) {
      this.#learnJoin(client);
      this.#learnSync(client);
    }
    this.#checkAssignments();
  }

  #learnJoin(client: Client): void {
    const { joining } = client;
    const response = joining === undefined ? undefined : this.group.joined(joining);
    if (response === undefined) return;
    client.joining = undefined;
    this.see(`joins: ${response.error}`);
    switch (response.error) {
      case 'NONE': {
        const { memberId, generation, leader, skipAssignment, members } = response;
        Object.assign(client, { memberId, generation, leads: leader === memberId && !skipAssignment });
        client.members = members.map((one) => one.memberId);
        if (skipAssignment) this.see('leaders that are back');
        if (client.instanceId !== undefined) {
          const told = this.#toldIds.get(client.instanceId) ?? [];
          if (!told.includes(memberId)) this.#toldIds.set(client.instanceId, [...told, memberId]);
        }
        return;
      }
      case 'MEMBER_ID_REQUIRED':
        client.memberId = response.memberId;
        return;
      case 'UNKNOWN_MEMBER_ID':
      case 'FENCED_INSTANCE_ID':
      case 'GROUP_MAX_SIZE_REACHED':
      case 'INCONSISTENT_GROUP_PROTOCOL':
        this.forget(client, false);
        return;
      default:
    }
  }

  #learnSync(client: Client): void {
    const { syncing } = client;
    const response = syncing === undefined ? undefined : this.group.synced(syncing);
    if (response === undefined) return;
    client.syncing = undefined;
    this.see(`syncs: ${response.error}`);
    if (response.error === 'NONE') client.assignment = textOf(response.assignment);
    else if (response.error === 'UNKNOWN_MEMBER_ID' || response.error === 'FENCED_INSTANCE_ID')
      this.forget(client, false);
    else client.generation = -1;
  }

  /** Nobody has what another one of its generation has. */
  #checkAssignments(): void {
    const owners = new Map<string, Client>();
    for (const client of this.clients) {
      const { assignment = '', instanceId } = client;
      if (assignment === '') continue;
      const owner = owners.get(assignment);
      assert(owner === undefined || owner.instanceId === instanceId, 'two members have the same assignment');
      owners.set(assignment, client);
    }
  }

  #checkHappened({ what, text, atMs }: Happened): void {
    // A static member that could not be replaced changes nothing for those who have yet to sync.
    const beginsAnew = what === 'refused' && text.includes('(generation)');
    if (what === 'rebalance' || what === 'generation' || beginsAnew) {
      if (what === 'generation')
        for (const { memberId } of this.group.stored?.members ?? []) this.#heardMs.set(memberId, atMs);
      this.#phaseMs = atMs;
      return;
    }
    if (what !== 'removed') return;
    const [memberId = '', why = ''] = text.split(/: (.*)/);
    this.see(`removed: ${why.split(':')[0]}`);
    const heardMs = this.#heardMs.get(memberId) ?? 0;
    if (why === 'its session timed out') {
      assert(atMs >= heardMs + SESSION_MS, `${memberId} is removed at ${atMs}, and was heard of at ${heardMs}`);
    } else if (why === 'it did not join' || why === 'it joined and did not sync') {
      assert(atMs >= this.#phaseMs + REBALANCE_MS, 'a member is removed that had time');
    } else {
      assert(
        why.startsWith('it left') || why.startsWith('the group has as many'),
        `a member is removed because ${why}`,
      );
    }
    this.#heardMs.delete(memberId);
  }

  /** Who is in the group has been heard of, or waits. */
  #checkSilent(): void {
    const waiting = new Set(
      this.clients.flatMap(({ memberId, joining, syncing }) => ((joining ?? syncing) === undefined ? [] : [memberId])),
    );
    for (const { memberId } of this.group.group.describe().members) {
      const heardMs = this.#heardMs.get(memberId);
      if (heardMs === undefined || waiting.has(memberId)) continue;
      const allowedMs = this.group.unanswered > 0 ? GROUP_NEW_MEMBER_JOIN_MS : SESSION_MS;
      assert(this.group.nowMs < heardMs + allowedMs, 'a silent member is still there');
    }
  }

  /** What was just stored is all that there is to the group. */
  #checkRecord(index: number): void {
    if (index !== this.group.log.length - 1) return;
    const record = this.group.log[index]!;
    const { state } = this.group.group;
    if (record === null || (state !== 'Stable' && state !== 'CompletingRebalance' && state !== 'Empty')) return;
    const loaded = this.group.loaded();
    assert(loaded.generation === this.group.group.generation, 'another generation is loaded');
    const isUnassigned = record.members.length > 0 && record.members.every(({ assignment }) => assignment.length === 0);
    if (state === 'Stable' && isUnassigned) return;
    const [was, is] = [this.group.group.describe(), loaded.describe()];
    assert(JSON.stringify(was) === JSON.stringify(is), 'another group is loaded');
  }

  #accepted({ memberId, instanceId, generation }: Client, answer: GroupError, good: readonly GroupError[]): void {
    if (!good.includes(answer)) return;
    if (generation < 0) {
      assert(this.group.group.state === 'Empty', 'a commit of nobody is taken while somebody is in the group');
      return;
    }
    this.#hear(memberId);
    const stored = present(this.group.stored, 'somebody is a member of what is not stored');
    assert(generation === stored.generation, 'a stale generation is taken');
    const told = instanceId === undefined ? undefined : this.#toldIds.get(instanceId);
    assert(told === undefined || told.at(-1) === memberId, 'an instance is taken that was replaced');
  }

  #hear(memberId: string): void {
    this.#heardMs.set(memberId, this.group.nowMs);
  }
}

/** Who is told that was heard of. */
const HEARD: ReadonlySet<GroupError> = new Set(['NONE', 'REBALANCE_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE']);

export function identityOf({ memberId, instanceId, generation }: Client): {
  memberId: string;
  instanceId: string | undefined;
  generation: number;
} {
  return { memberId, instanceId, generation };
}
