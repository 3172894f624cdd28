import { assert, present } from '@weir/base/assert.ts';
import { GroupMembers, metadataOf } from './group-members.ts';
import type { GroupMember } from './group-members.ts';
import { joinRefused, syncRefused } from './group-messages.ts';
import type {
  GroupEffect,
  GroupHappening,
  GroupTime,
  JoinedMember,
  JoinRequest,
  JoinResponse,
  LeaveResponse,
  SyncResponse,
} from './group-messages.ts';
import type { GroupRecord } from './group-record.ts';
import { mayBecome } from './group-state.ts';
import type { GroupState } from './group-state.ts';

export interface GroupOptions {
  /** How long an empty group waits for more members than the first: Kafka's `group.initial.rebalance.delay.ms`. */
  readonly initialRebalanceDelayMs: number;
  /** `group.max.size` */
  readonly membersMax: number;
  /** `group.min.session.timeout.ms` and `group.max.session.timeout.ms` */
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  /** The topics in what a member of a consumer group says with its protocol; undefined: it cannot be read. */
  readonly topicsOf: (metadata: Uint8Array) => readonly string[] | undefined;
}

/** A record that is on its way, and what has to be done once it is stored. */
export type Write<Token> =
  /** The joining phase is over: members have a generation, and are to be told. */
  | { readonly kind: 'generation'; readonly record: GroupRecord }
  /** Nobody is left. */
  | { readonly kind: 'emptied'; readonly record: GroupRecord; readonly left: LeaveAnswer<Token>[] }
  /** The leader has assigned. */
  | { readonly kind: 'assignment'; readonly record: GroupRecord }
  /** A static member has come back to a stable group, and gets another member id. */
  | { readonly kind: 'replacement'; readonly record: GroupRecord; readonly replacement: Replacement<Token> }
  | { readonly kind: 'tombstone'; readonly token: Token };

export interface LeaveAnswer<Token> {
  readonly token: Token;
  readonly response: LeaveResponse;
}

export interface Replacement<Token> {
  readonly oldId: string;
  readonly newId: string;
  readonly request: JoinRequest;
  readonly token: Token;
}

/** How long the joining phase of a group that was empty goes on while members come. */
export interface InitialDelay {
  readonly delayMs: number;
  readonly remainingMs: number;
  hasGrown: boolean;
}

/**
 * What all that is asked of a group works on: its state, its members, its deadlines and the record that is on its way. The
 * requests, the phases and what becomes of records are in files of their own, and nobody else sees it.
 *
 * Invariants: generation, protocol and leader are those of the last stored record, but for the id of a static leader that has come
 * back since; while a record is on its way no other one is made, and nothing changes that it says.
 */
export class GroupCore<Token> {
  readonly options: GroupOptions;
  readonly members = new GroupMembers<Token>();
  generation = 0;
  protocolType: string | undefined;
  /** Of the generation. */
  protocol: string | undefined;
  leaderId: string | undefined;
  /** What the members of the generation are subscribed to; undefined: not known. */
  topics: ReadonlySet<string> | undefined;
  /** The joining phase ends then, whoever is missing. */
  joinDeadlineMs: number | undefined;
  /** Who has joined and not synced is removed then. */
  syncDeadlineMs: number | undefined;
  /** While a group that was empty waits for more members. */
  initial: InitialDelay | undefined;
  /** The record that is on its way. */
  write: Write<Token> | undefined;
  /** No deadline is earlier; most are later, since hearing of a member moves its deadline alone. */
  nextDeadlineMs: number | undefined;
  #state: GroupState = 'Empty';
  #stateSinceMs = -1;
  #effects: GroupEffect<Token>[] = [];

  constructor(options: GroupOptions) {
    this.options = options;
  }

  get state(): GroupState {
    return this.#state;
  }

  /** In milliseconds since 1970; -1: not known. */
  get stateSinceMs(): number {
    return this.#stateSinceMs;
  }

  become(state: GroupState, sinceMs: number): void {
    assert(mayBecome(this.#state, state), `a group goes from ${this.#state} to ${state}`);
    this.#state = state;
    this.#stateSinceMs = sinceMs;
  }

  /** As it was stored, however it got there. */
  resume(state: GroupState, sinceMs: number): void {
    this.#state = state;
    this.#stateSinceMs = sinceMs;
  }

  /** What has followed since the last call. */
  takeEffects(): GroupEffect<Token>[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  emit(effect: GroupEffect<Token>): void {
    this.#effects.push(effect);
  }

  note(what: GroupHappening, text: string): void {
    this.emit({ kind: 'happened', what, text });
  }

  /** The first member of an empty group says what kind of group it is. */
  adoptProtocolType(protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType;
    assert(this.protocolType === protocolType, 'a group has members of two kinds');
  }

  /** A member came. While the group, which was empty, waits for more, it waits longer. */
  noteGrowth(): void {
    if (this.initial !== undefined) this.initial.hasGrown = true;
  }

  /** A member was heard of: it has a whole session timeout, at least. */
  renew(member: GroupMember<Token>, now: GroupTime): void {
    member.deadlineMs = Math.max(member.deadlineMs, now.ms + member.sessionTimeoutMs);
    this.plan(member.deadlineMs);
  }

  /** There is a deadline. */
  plan(deadlineMs: number): void {
    this.nextDeadlineMs = Math.min(this.nextDeadlineMs ?? deadlineMs, deadlineMs);
  }

  /** Answers the JoinGroup of a member that waits, if one does. From then on it has to be heard of. */
  answerJoin(member: GroupMember<Token>, response: JoinResponse, now: GroupTime): void {
    const joining = this.members.takeJoining(member);
    if (joining === undefined) return;
    this.emit({ kind: 'joined', token: joining.token, response });
    if (response.memberId === member.id) member.isIdKnown = true;
    this.restart(member, now);
  }

  /** Answers the SyncGroup of a member that waits, if one does. From then on it has to be heard of. */
  answerSync(member: GroupMember<Token>, response: SyncResponse, now: GroupTime): void {
    const syncing = this.members.takeSyncing(member);
    if (syncing === undefined) return;
    this.emit({ kind: 'synced', token: syncing.token, response });
    this.restart(member, now);
  }

  /** Takes a member out, which is told so if it waits. The group does not go on by itself. */
  remove(member: GroupMember<Token>, why: string, now: GroupTime): void {
    this.note('removed', `${member.id}: ${why}`);
    this.answerJoin(member, joinRefused('UNKNOWN_MEMBER_ID', ''), now);
    this.answerSync(member, syncRefused('UNKNOWN_MEMBER_ID'), now);
    this.members.remove(member);
  }

  /** The answer that a member of this generation gets to its JoinGroup. */
  joined(member: GroupMember<Token>): JoinResponse {
    const isLeader = member.id === this.leaderId;
    return {
      error: 'NONE',
      generation: this.generation,
      protocolType: this.protocolType,
      protocol: this.protocol,
      leader: this.leaderId ?? '',
      skipAssignment: false,
      memberId: member.id,
      members: isLeader ? this.joinedMembers() : [],
    };
  }

  joinedMembers(): JoinedMember[] {
    const protocol = present(this.protocol, 'a generation has no protocol');
    return [...this.members].map((member) => ({
      memberId: member.id,
      instanceId: member.instanceId,
      metadata: metadataOf(member, protocol),
    }));
  }

  /** The answer that a member of this generation gets to its SyncGroup. */
  synced({ assignment }: { readonly assignment: Uint8Array }): SyncResponse {
    return { error: 'NONE', protocolType: this.protocolType, protocol: this.protocol, assignment };
  }

  /** Asks for a record to be stored. Until its outcome is known nothing may change that is stored. */
  store(write: Write<Token>): void {
    assert(this.write === undefined, 'two records of a group are on their way');
    this.write = write;
    this.emit({ kind: 'store', record: write.kind === 'tombstone' ? null : write.record });
  }

  /** The record of the group with other members, or as they are. */
  recordOf(
    {
      generation,
      protocol,
      leader,
    }: { readonly generation: number; readonly protocol: string | undefined; readonly leader: string | undefined },
    now: GroupTime,
    members: Iterable<GroupMember<Token>> = this.members,
  ): GroupRecord {
    return {
      protocolType: this.protocolType ?? '',
      generation,
      protocol: protocol ?? null,
      leader: leader ?? null,
      currentStateTimestamp: now.wallMs,
      members: [...members].map((member) => ({
        memberId: member.id,
        groupInstanceId: member.instanceId ?? null,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: metadataOf(member, present(protocol, 'a group with members has no protocol')),
        assignment: member.assignment,
      })),
    };
  }

  /** Everybody has so much more time. */
  postpone(ms: number): void {
    const { pending } = this.members;
    for (const member of this.members) member.deadlineMs += ms;
    for (const [id, deadlineMs] of pending) pending.set(id, deadlineMs + ms);
    if (this.joinDeadlineMs !== undefined) this.joinDeadlineMs += ms;
    if (this.syncDeadlineMs !== undefined) this.syncDeadlineMs += ms;
    if (this.nextDeadlineMs !== undefined) this.nextDeadlineMs += ms;
  }

  /** Takes over what a record says of the generation. */
  adopt({ generation, protocol, leader }: Pick<GroupRecord, 'generation' | 'protocol' | 'leader'>): void {
    this.generation = generation;
    this.protocol = protocol ?? undefined;
    this.leaderId = leader ?? undefined;
    this.readTopics();
  }

  /** Looks what the members of the generation are subscribed to. */
  readTopics(): void {
    this.topics = this.#topicsOfMembers();
  }

  /** From now on a member has to be heard of. */
  restart(member: GroupMember<Token>, now: GroupTime): void {
    member.deadlineMs = now.ms + member.sessionTimeoutMs;
    this.plan(member.deadlineMs);
  }

  #topicsOfMembers(): ReadonlySet<string> | undefined {
    if (this.protocolType !== CONSUMER_PROTOCOL_TYPE) return undefined;
    if (this.members.size === 0) return new Set();
    const topics = new Set<string>();
    for (const member of this.members) {
      const own = this.options.topicsOf(metadataOf(member, this.protocol ?? ''));
      if (own === undefined) return undefined;
      for (const topic of own) topics.add(topic);
    }
    return topics;
  }
}

/** What consumers call their kind of group; only of these what they say with a protocol is known. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** On which terms somebody asks to join. */
export function termsOf({ protocols, sessionTimeoutMs, rebalanceTimeoutMs }: JoinRequest): {
  protocols: JoinRequest['protocols'];
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
} {
  return {
    protocols,
    sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? sessionTimeoutMs : rebalanceTimeoutMs,
  };
}
