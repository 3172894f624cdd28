import { assert, present } from '@weir/base/assert.ts';
import { namesOf } from './choose-protocol.ts';
import type { GroupError } from './group-error.ts';
import type { GroupProtocol, MemberIdentity } from './group-messages.ts';

/** Who is in a group. What it waits for is set by GroupMembers alone, which counts. */
export interface GroupMember<Token> {
  readonly id: string;
  /** Of a static member (KIP-345). */
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocols: readonly GroupProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  assignment: Uint8Array;
  /** Its JoinGroup, until the joining phase ends. */
  readonly joining: { readonly token: Token } | undefined;
  /** Its SyncGroup, until the assignment is stored. */
  readonly syncing: { readonly token: Token } | undefined;
  /** It has not got the answer to its first JoinGroup, and ends after NEW_MEMBER_JOIN_MS even while it waits. */
  isNew: boolean;
  /** Whether its client was told the id: else that client will come as somebody else. */
  isIdKnown: boolean;
  /** It has joined this generation, and not synced. */
  owesSync: boolean;
  /** Loaded from a joining phase, whose answer it may have missed. */
  hasToRejoin: boolean;
  /** Not heard of until then, and waiting for nothing, it is removed. Milliseconds on the monotonic clock. */
  deadlineMs: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What a JoinGroup changes of a member. */
export interface MemberTerms {
  readonly protocols: readonly GroupProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

/**
 * The members of a group, in the order in which they came, and those who were given a member id and have not come back with it.
 *
 * Invariants: every static instance id is of one member; some protocol is supported by all members.
 */
export class GroupMembers<Token> {
  readonly #byId = new Map<string, GroupMember<Token>>();
  readonly #byInstance = new Map<string, GroupMember<Token>>();
  /** How many members support a protocol. */
  readonly #supporters = new Map<string, number>();
  #joining = 0;
  /** Member ids that were given out, with the time until which they are good. */
  readonly pending = new Map<string, number>();

  get size(): number {
    return this.#byId.size;
  }

  /** How many wait for the end of the joining phase. */
  get joiningCount(): number {
    return this.#joining;
  }

  /** Whether nobody is left to wait for. */
  get haveAllJoined(): boolean {
    return this.#joining === this.size && this.pending.size === 0;
  }

  /** How long the slowest of them may take to join. */
  get rebalanceTimeoutMs(): number {
    let ms = 0;
    for (const member of this.#byId.values()) ms = Math.max(ms, member.rebalanceTimeoutMs);
    return ms;
  }

  [Symbol.iterator](): IterableIterator<GroupMember<Token>> {
    return this.#byId.values();
  }

  get(memberId: string): GroupMember<Token> | undefined {
    return this.#byId.get(memberId);
  }

  ofInstance(instanceId: string): GroupMember<Token> | undefined {
    return this.#byInstance.get(instanceId);
  }

  /** Whether somebody is who it says to be. */
  check({ memberId, instanceId }: MemberIdentity): GroupMember<Token> | GroupError {
    if (instanceId !== undefined) {
      const known = this.#byInstance.get(instanceId);
      if (known === undefined) return 'UNKNOWN_MEMBER_ID';
      if (known.id !== memberId) return 'FENCED_INSTANCE_ID';
    }
    return this.#byId.get(memberId) ?? 'UNKNOWN_MEMBER_ID';
  }

  /** Whether all members support one of these. */
  support(protocols: readonly GroupProtocol[]): boolean {
    return protocols.some(({ name }) => (this.#supporters.get(name) ?? 0) === this.size);
  }

  add(
    fixed: Pick<GroupMember<Token>, 'id' | 'instanceId' | 'clientId' | 'clientHost' | 'deadlineMs'> & MemberTerms,
    assignment: Uint8Array,
  ): GroupMember<Token> {
    assert(!this.#byId.has(fixed.id), 'a member is added twice');
    assert(fixed.instanceId === undefined || !this.#byInstance.has(fixed.instanceId), 'an instance is added twice');
    assert(this.support(fixed.protocols), 'a member is added that has no protocol in common with all others');
    const member: GroupMember<Token> = {
      ...fixed,
      assignment,
      joining: undefined,
      syncing: undefined,
      isNew: false,
      isIdKnown: true,
      owesSync: false,
      hasToRejoin: false,
    };
    this.pending.delete(member.id);
    this.#put(member);
    return member;
  }

  /** It asks to join again, on other terms. */
  update(member: GroupMember<Token>, { protocols, sessionTimeoutMs, rebalanceTimeoutMs }: MemberTerms): void {
    this.#count(member.protocols, -1);
    Object.assign(member as Writable<GroupMember<Token>>, { protocols, sessionTimeoutMs, rebalanceTimeoutMs });
    this.#count(protocols, 1);
  }

  /** It is gone. Nothing of it may wait any more. */
  remove(member: GroupMember<Token>): void {
    assert(member.joining === undefined && member.syncing === undefined, 'a member goes without its answer');
    assert(this.#byId.delete(member.id), 'a member is removed twice');
    if (member.instanceId !== undefined) this.#byInstance.delete(member.instanceId);
    this.#count(member.protocols, -1);
  }

  /** A static member has another id from now on; of the old one nothing may wait. */
  replace(old: GroupMember<Token>, id: string): GroupMember<Token> {
    this.remove(old);
    const member = { ...old, id, isNew: false, isIdKnown: false, owesSync: false, hasToRejoin: false };
    this.#put(member);
    return member;
  }

  /** Its JoinGroup waits; one that did is handed back. */
  waitToJoin(member: GroupMember<Token>, token: Token): { readonly token: Token } | undefined {
    const before = this.takeJoining(member);
    (member as Writable<GroupMember<Token>>).joining = { token };
    this.#joining++;
    return before;
  }

  /** Its JoinGroup that waited is about to be answered. */
  takeJoining(member: GroupMember<Token>): { readonly token: Token } | undefined {
    const { joining } = member;
    if (joining === undefined) return undefined;
    (member as Writable<GroupMember<Token>>).joining = undefined;
    this.#joining--;
    return joining;
  }

  /** Its SyncGroup waits; one that did is handed back. */
  waitToSync(member: GroupMember<Token>, token: Token): { readonly token: Token } | undefined {
    const { syncing } = member;
    (member as Writable<GroupMember<Token>>).syncing = { token };
    return syncing;
  }

  takeSyncing(member: GroupMember<Token>): { readonly token: Token } | undefined {
    const { syncing } = member;
    (member as Writable<GroupMember<Token>>).syncing = undefined;
    return syncing;
  }

  #put(member: GroupMember<Token>): void {
    this.#byId.set(member.id, member);
    if (member.instanceId !== undefined) this.#byInstance.set(member.instanceId, member);
    this.#count(member.protocols, 1);
  }

  #count(protocols: readonly GroupProtocol[], by: 1 | -1): void {
    for (const name of namesOf(protocols)) {
      const count = (this.#supporters.get(name) ?? 0) + by;
      if (count === 0) this.#supporters.delete(name);
      else this.#supporters.set(name, count);
    }
  }
}

/** What a member says with a protocol that it supports. */
export function metadataOf(
  { protocols }: { readonly protocols: readonly GroupProtocol[] },
  protocol: string,
): Uint8Array {
  return present(
    protocols.find(({ name }) => name === protocol),
    'a member does not support the protocol of its generation',
  ).metadata;
}
