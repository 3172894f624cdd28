import { assert } from '@weir/base/assert.ts';
import { GROUP_REQUESTS_WAITING_MAX } from '@weir/base/group-limits.ts';
import { CONSUMER_PROTOCOL_TYPE, GroupCore } from './group-core.ts';
import type { GroupOptions } from './group-core.ts';
import type { GroupError } from './group-error.ts';
import { joinRefused } from './group-messages.ts';
import type {
  CommitRequest,
  GroupEffect,
  GroupTime,
  HeartbeatRequest,
  JoinRequest,
  LeavingMember,
  SyncRequest,
} from './group-messages.ts';
import type { GroupRecord, StoreOutcome } from './group-record.ts';
import type { GroupState } from './group-state.ts';
import { describeGroup, isSubscribed, retentionOf } from './group-view.ts';
import type { DescribedGroup, OffsetRetention } from './group-view.ts';
import { joinGroup } from './join-group.ts';
import { leaveGroup } from './leave-group.ts';
import { beginGroup, loadGroup } from './load-group.ts';
import { expire } from './rebalance.ts';
import { endGroup, settleWrite } from './settle-write.ts';
import { syncGroup } from './sync-group.ts';

/** What would change the group, and waits for the record that is on its way. */
type Waiting<Token> =
  | { readonly kind: 'join'; readonly token: Token; readonly request: JoinRequest }
  | { readonly kind: 'leave'; readonly token: Token; readonly members: readonly LeavingMember[] }
  | { readonly kind: 'delete'; readonly token: Token };

/**
 * A consumer group of Kafka's classic protocol (eager and cooperative members, static ones, Connect's workers): who is in it, which
 * generation they are, and what the leader assigned. Pure: time, chance and the outcome of records are handed in, answers and
 * records come out, in the order in which they have to be done.
 *
 * Stored, then told: a generation is answered (JoinGroup) when its record is committed, and an assignment (SyncGroup) when its own
 * is. So two coordinators cannot tell different things, and who loads the records finds all that was told. At most one record is on
 * its way. What would change the group meanwhile waits, also its deadlines; only heartbeats, commits and SyncGroups do not change it.
 *
 * Every request that came with a token is answered once: now, later, or by `end`.
 *
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-345 static members
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-394 member ids that are asked for
 */
export class ClassicGroup<Token> {
  readonly #core: GroupCore<Token>;
  readonly #waiting: Waiting<Token>[] = [];

  constructor(options: GroupOptions) {
    this.#core = new GroupCore(options);
  }

  get state(): GroupState {
    return this.#core.state;
  }

  get generation(): number {
    return this.#core.generation;
  }

  get protocolType(): string | undefined {
    return this.#core.protocolType;
  }

  get memberCount(): number {
    return this.#core.members.size;
  }

  /** Whether a record is on its way. */
  get isStoring(): boolean {
    return this.#core.write !== undefined;
  }

  /** When `due` has to be called, on the monotonic clock, at the latest; undefined: not before something else happens. */
  get nextDeadlineMs(): number | undefined {
    return this.isStoring ? undefined : this.#core.nextDeadlineMs;
  }

  /** Whether it only commits offsets. */
  get isSimple(): boolean {
    const { state, protocolType, members } = this.#core;
    return state === 'Empty' && protocolType === undefined && members.pending.size === 0;
  }

  /** Whether nothing of it has been stored or is expected: without offsets it need not be kept. */
  get isUnused(): boolean {
    return this.isSimple && this.generation === 0 && !this.isStoring;
  }

  /** JoinGroup. Answered with `joined`. */
  join(request: JoinRequest, token: Token, now: GroupTime): GroupEffect<Token>[] {
    this.#change({ kind: 'join', token, request }, now);
    return this.#core.takeEffects();
  }

  /** SyncGroup. Answered with `synced`. */
  sync(request: SyncRequest, token: Token, now: GroupTime): GroupEffect<Token>[] {
    syncGroup(this.#core, { request, token, now });
    return this.#core.takeEffects();
  }

  /** LeaveGroup. Answered with `left`. */
  leave(members: readonly LeavingMember[], token: Token, now: GroupTime): GroupEffect<Token>[] {
    this.#change({ kind: 'leave', token, members }, now);
    return this.#core.takeEffects();
  }

  /**
   * DeleteGroups, and a group whose offsets have all expired. Answered with `deleted`; its tombstone goes with those of its offsets.
   */
  delete(token: Token, now: GroupTime): GroupEffect<Token>[] {
    this.#change({ kind: 'delete', token }, now);
    return this.#core.takeEffects();
  }

  /** Heartbeat: its answer. */
  heartbeat(request: HeartbeatRequest, now: GroupTime): GroupError {
    const { state, members, generation } = this.#core;
    if (state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    const member = members.check(request);
    if (typeof member === 'string') return member;
    if (request.generation !== generation) return 'ILLEGAL_GENERATION';
    this.#core.renew(member, now);
    return state === 'PreparingRebalance' || member.hasToRejoin ? 'REBALANCE_IN_PROGRESS' : 'NONE';
  }

  /** OffsetCommit: whether it may be stored. A member that commits was heard of. */
  commit(request: CommitRequest, now: GroupTime): GroupError {
    const { state, members, generation, write } = this.#core;
    if (state === 'Dead' || write?.kind === 'tombstone') return 'COORDINATOR_NOT_AVAILABLE';
    if (request.generation < 0 && state === 'Empty') return 'NONE';
    if (request.generation < 0 && request.memberId === '' && request.instanceId === undefined)
      return 'UNKNOWN_MEMBER_ID';
    const member = members.check(request);
    if (typeof member === 'string') return member;
    if (request.generation !== generation) return 'ILLEGAL_GENERATION';
    if (state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS';
    // Who takes its place reads its offsets as soon as that is stored: this would be stored behind it. Asked again, it is fenced.
    if (write?.kind === 'replacement' && write.replacement.oldId === member.id) return 'COORDINATOR_NOT_AVAILABLE';
    this.#core.renew(member, now);
    return 'NONE';
  }

  /** OffsetDelete: whether the offsets of a topic may be deleted. */
  offsetDeleteError(topic: string): GroupError {
    const { state, protocolType } = this.#core;
    if (state === 'Dead') return 'GROUP_ID_NOT_FOUND';
    if (state === 'Empty') return 'NONE';
    if (protocolType !== CONSUMER_PROTOCOL_TYPE) return 'NON_EMPTY_GROUP';
    return isSubscribed(this.#core, topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' : 'NONE';
  }

  /** DescribeGroups, ListGroups. */
  describe(): DescribedGroup {
    return describeGroup(this.#core);
  }

  /** From when on the retention time of an offset counts. */
  retentionOf(topic: string): OffsetRetention {
    return retentionOf(this.#core, topic);
  }

  /** Does what is due. */
  due(now: GroupTime): GroupEffect<Token>[] {
    expire(this.#core, now);
    return this.#core.takeEffects();
  }

  /** Nobody could be heard for so long: all deadlines move. */
  postpone(ms: number): void {
    this.#core.postpone(ms);
  }

  /** What became of the record that was on its way. Of what waited for it as much is done as can be. */
  stored(outcome: StoreOutcome<GroupError>, now: GroupTime): GroupEffect<Token>[] {
    settleWrite(this.#core, outcome, now);
    while (!this.isStoring) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#handle(next, now);
    }
    return this.#core.takeEffects();
  }

  /** It is coordinated elsewhere, or what became of its record is not known. Whoever waits is told; nothing goes on. */
  end(error: GroupError, now: GroupTime): GroupEffect<Token>[] {
    endGroup(this.#core, error, now);
    for (const waiting of this.#waiting.splice(0)) this.#refuse(waiting, error);
    return this.#core.takeEffects();
  }

  /** Takes over a record of the log, before anything else is asked of the group. The last one counts; null is a tombstone. */
  load(record: GroupRecord | null): void {
    assert(this.#waiting.length === 0, 'a group is loaded that was asked for something');
    loadGroup(this.#core, record);
  }

  /** All is loaded: members have a whole session timeout from now on. */
  begin(now: GroupTime): GroupEffect<Token>[] {
    beginGroup(this.#core, now);
    return this.#core.takeEffects();
  }

  #change(waiting: Waiting<Token>, now: GroupTime): void {
    if (!this.isStoring) this.#handle(waiting, now);
    else if (this.#waiting.length < GROUP_REQUESTS_WAITING_MAX) this.#waiting.push(waiting);
    else this.#refuse(waiting, 'COORDINATOR_NOT_AVAILABLE');
  }

  #handle(waiting: Waiting<Token>, now: GroupTime): void {
    switch (waiting.kind) {
      case 'join':
        joinGroup(this.#core, { request: waiting.request, token: waiting.token, now });
        return;
      case 'leave':
        leaveGroup(this.#core, { members: waiting.members, token: waiting.token, now });
        return;
      case 'delete': {
        const error = this.#deleteError();
        if (error === 'NONE') this.#core.store({ kind: 'tombstone', token: waiting.token });
        else this.#refuse(waiting, error);
        return;
      }
    }
  }

  #deleteError(): GroupError {
    switch (this.state) {
      case 'Empty':
        return 'NONE';
      case 'Dead':
        return 'GROUP_ID_NOT_FOUND';
      case 'PreparingRebalance':
      case 'CompletingRebalance':
      case 'Stable':
        return 'NON_EMPTY_GROUP';
    }
  }

  #refuse(waiting: Waiting<Token>, error: GroupError): void {
    const { token } = waiting;
    switch (waiting.kind) {
      case 'join':
        this.#core.emit({ kind: 'joined', token, response: joinRefused(error, waiting.request.memberId) });
        return;
      case 'leave':
        this.#core.emit({ kind: 'left', token, response: { error, members: [] } });
        return;
      case 'delete':
        this.#core.emit({ kind: 'deleted', token, error });
        return;
    }
  }
}
