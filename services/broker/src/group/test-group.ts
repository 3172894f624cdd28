import { assert, present } from '@weir/base/assert.ts';
import { ClassicGroup } from './classic-group.ts';
import type { GroupError } from './group-error.ts';
import type { GroupOptions } from './group-core.ts';
import type {
  GroupEffect,
  GroupHappening,
  GroupTime,
  JoinRequest,
  JoinResponse,
  LeaveResponse,
  LeavingMember,
  MemberIdentity,
  SyncResponse,
} from './group-messages.ts';
import type { GroupRecord } from './group-record.ts';

export const TEST_OPTIONS: GroupOptions = {
  initialRebalanceDelayMs: 0,
  membersMax: 100,
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  // In tests what a member says with a protocol is its topics, with commas between them.
  topicsOf: (metadata) => (textOf(metadata).startsWith('!') ? undefined : textOf(metadata).split(',')),
};

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 30_000;

/** What a test says of a JoinGroup; the rest is as a consumer's. Protocols are `name` or `name=metadata`. */
export type TestJoin = Partial<Omit<JoinRequest, 'protocols' | 'uuid'>> & { readonly protocols?: readonly string[] };

export interface Happened {
  readonly what: GroupHappening;
  readonly text: string;
  readonly atMs: number;
}

/**
 * A group, its log and its clock. Records are stored at once, unless `isManual`: then each is `pending` until the test says what
 * became of it. It checks of all that is told that it was stored before, that generations do not fall, that what a member is given
 * is what the leader said, and that no request is answered twice.
 */
export class TestGroup {
  group: ClassicGroup<number>;
  readonly options: GroupOptions;
  /** What is stored; null: the group was deleted. */
  readonly log: (GroupRecord | null)[] = [];
  readonly happened: Happened[] = [];
  /** When requests were answered, by their tokens. */
  readonly answeredMs = new Map<number, number>();
  nowMs = 1_000_000;
  isManual = false;
  /** On its way. */
  pending: { readonly record: GroupRecord | null } | undefined;
  readonly #joins = new Map<number, JoinResponse | undefined>();
  readonly #syncs = new Map<number, SyncResponse | undefined>();
  readonly #syncing = new Map<number, string>();
  readonly #leaves = new Map<number, LeaveResponse | undefined>();
  readonly #deletes = new Map<number, GroupError | undefined>();
  /** What leaders have said: the generation, and what a member gets in it. */
  readonly #said = new Map<string, Set<string>>();
  #tokens = 0;

  constructor(options: Partial<GroupOptions> = {}) {
    this.options = { ...TEST_OPTIONS, ...options };
    this.group = new ClassicGroup(this.options);
  }

  get now(): GroupTime {
    return { ms: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs };
  }

  /** The last record. */
  get stored(): GroupRecord | null | undefined {
    return this.log.at(-1);
  }

  get unanswered(): number {
    const answers = [this.#joins, this.#syncs, this.#leaves, this.#deletes].flatMap((all) => [...all.values()]);
    return answers.filter((one) => one === undefined).length;
  }

  join({ protocols = ['range'], ...given }: TestJoin): number {
    const token = ++this.#tokens;
    this.#joins.set(token, undefined);
    const request: JoinRequest = {
      memberId: '',
      instanceId: undefined,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      protocolType: 'consumer',
      protocols: protocols.map(protocolOf),
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      needsMemberId: false,
      maySkipAssignment: true,
      reason: undefined,
      uuid: `uuid${token}`,
      ...given,
    };
    this.do(this.group.join(request, token, this.now));
    return token;
  }

  /** @param assignments - of a leader: by member id */
  sync(
    {
      memberId,
      instanceId,
      generation = this.group.generation,
      ...given
    }: Identity & { protocolType?: string; protocol?: string },
    assignments: Readonly<Record<string, string>> = {},
  ): number {
    const token = ++this.#tokens;
    this.#syncs.set(token, undefined);
    this.#syncing.set(token, memberId);
    for (const [id, assignment] of Object.entries(assignments)) {
      const key = `${generation}/${id}`;
      this.#said.set(key, (this.#said.get(key) ?? new Set()).add(assignment));
    }
    const request = {
      memberId,
      instanceId,
      generation,
      protocolType: given.protocolType,
      protocol: given.protocol,
      assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: bytesOf(text) })),
    };
    this.do(this.group.sync(request, token, this.now));
    return token;
  }

  leave(...members: readonly Partial<LeavingMember>[]): number {
    const token = ++this.#tokens;
    this.#leaves.set(token, undefined);
    const leaving = members.map((one) => ({ memberId: '', instanceId: undefined, reason: undefined, ...one }));
    this.do(this.group.leave(leaving, token, this.now));
    return token;
  }

  delete(): number {
    const token = ++this.#tokens;
    this.#deletes.set(token, undefined);
    this.do(this.group.delete(token, this.now));
    return token;
  }

  heartbeat({ memberId, instanceId, generation = this.group.generation }: Identity): GroupError {
    return this.group.heartbeat({ memberId, instanceId, generation }, this.now);
  }

  commit({ memberId, instanceId, generation = this.group.generation }: Identity): GroupError {
    return this.group.commit({ memberId, instanceId, generation }, this.now);
  }

  /** Undefined: not yet. */
  joined(token: number): JoinResponse | undefined {
    return this.#joins.get(token);
  }

  synced(token: number): SyncResponse | undefined {
    return this.#syncs.get(token);
  }

  left(token: number): LeaveResponse | undefined {
    return this.#leaves.get(token);
  }

  deleted(token: number): GroupError | undefined {
    return this.#deletes.get(token);
  }

  /** Lets time pass; what is due is done when it is. */
  pass(ms: number): void {
    const until = this.nowMs + ms;
    for (let rounds = 0; ; rounds++) {
      assert(rounds < 10_000, 'what is due does not end');
      const next = this.group.nextDeadlineMs;
      if (next === undefined || next > until) break;
      this.nowMs = Math.max(this.nowMs, next);
      this.do(this.group.due(this.now));
    }
    this.nowMs = until;
  }

  /** What was on its way is in the log. */
  store(): void {
    const { record } = present(this.pending, 'nothing is on its way');
    this.pending = undefined;
    this.#append(record);
    this.do(this.group.stored({ kind: 'committed' }, this.now));
  }

  /** What was on its way will never be in the log. */
  refuse(error: GroupError = 'COORDINATOR_NOT_AVAILABLE'): void {
    assert(this.pending !== undefined, 'nothing is on its way');
    this.pending = undefined;
    this.do(this.group.stored({ kind: 'refused', error }, this.now));
  }

  /** Another broker takes over: all it has is the log. */
  reload({ isPendingStored = false }: { readonly isPendingStored?: boolean } = {}): void {
    const onItsWay = this.pending;
    this.pending = undefined;
    this.do(this.group.end('NOT_COORDINATOR', this.now));
    assert(this.unanswered === 0, 'a request was not answered at the end');
    if (isPendingStored && onItsWay !== undefined) this.#append(onItsWay.record);
    this.group = this.loaded();
    this.do(this.group.begin(this.now));
  }

  /** The group that follows from the log. */
  loaded(): ClassicGroup<number> {
    const group = new ClassicGroup<number>(this.options);
    for (const record of this.log) if (record !== null) group.load(record);
    return this.stored === null ? new ClassicGroup<number>(this.options) : group;
  }

  do(effects: readonly GroupEffect<number>[]): void {
    for (const effect of effects) {
      if ('token' in effect) this.answeredMs.set(effect.token, this.nowMs);
      switch (effect.kind) {
        case 'joined':
          answer(this.#joins, effect.token, effect.response);
          if (effect.response.error === 'NONE') this.#checkJoined(effect.response);
          break;
        case 'synced':
          answer(this.#syncs, effect.token, effect.response);
          if (effect.response.error === 'NONE') this.#checkSynced(this.#syncing.get(effect.token), effect.response);
          break;
        case 'left':
          answer(this.#leaves, effect.token, effect.response);
          break;
        case 'deleted':
          answer(this.#deletes, effect.token, effect.error);
          break;
        case 'store':
          assert(this.pending === undefined, 'two records are on their way');
          this.pending = { record: effect.record };
          break;
        case 'happened':
          this.happened.push({ what: effect.what, text: effect.text, atMs: this.nowMs });
          break;
      }
    }
    if (!this.isManual && this.pending !== undefined) this.store();
  }

  #append(record: GroupRecord | null): void {
    const before = this.stored ?? undefined;
    if (record !== null && before !== undefined) {
      assert(record.generation >= before.generation, 'the generation fell');
      const isGiven = before.members.some(({ assignment }) => assignment.length > 0);
      for (const { memberId, groupInstanceId, assignment } of record.generation === before.generation
        ? record.members
        : []) {
        const was = before.members.find(
          (one) => one.memberId === memberId || (groupInstanceId !== null && one.groupInstanceId === groupInstanceId),
        );
        assert(was !== undefined, 'somebody got into a generation that had begun');
        assert(!isGiven || textOf(was.assignment) === textOf(assignment), 'a generation has two assignments');
      }
      if (record.generation === before.generation && !isGiven) {
        for (const { memberId, assignment } of record.members) {
          const said = this.#said.get(`${record.generation}/${memberId}`);
          assert(said?.has(textOf(assignment)) ?? assignment.length === 0, 'the leader has not assigned that');
        }
      }
    }
    this.log.push(record);
  }

  #checkJoined({ generation, memberId, members, leader, protocol }: JoinResponse): void {
    const stored = present(this.stored, 'a generation was told of which nothing is stored');
    assert(stored.generation === generation, 'a generation was told that is not stored');
    assert(stored.protocol === protocol, 'a protocol was told that is not stored');
    assert(
      stored.members.some((one) => one.memberId === memberId),
      'a member was told a generation that it is not in',
    );
    if (members.length === 0) return;
    assert(stored.leader === leader && leader === memberId, 'the members were told to somebody who does not lead');
    const told = members.map((one) => `${one.memberId} ${textOf(one.metadata)}`).toSorted();
    const known = stored.members.map((one) => `${one.memberId} ${textOf(one.subscription)}`).toSorted();
    assert(told.join() === known.join(), 'the leader was told other members than are stored');
  }

  #checkSynced(memberId: string | undefined, { assignment }: SyncResponse): void {
    const stored = this.stored?.members.find((one) => one.memberId === memberId);
    assert(stored !== undefined, 'an assignment was told to somebody who is not in what is stored');
    assert(textOf(stored.assignment) === textOf(assignment), 'an assignment was told that is not stored');
  }
}

export type Identity = Partial<MemberIdentity> & { readonly memberId: string; readonly generation?: number };

/** A member as tests handle it. */
export interface TestMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
}

/** A stable group of members that join together; the first one leads, and gives each one its own member id. */
export function stable(group: TestGroup, count: number, join: (i: number) => TestJoin = () => ({})): TestMember[] {
  const first = joinedIn(group, join(0));
  const others = Array.from({ length: count - 1 }, (_, i) => group.join(join(i + 1)));
  const again = group.join({ ...join(0), memberId: first.memberId });
  const members = [again, ...others].map((token, i) => {
    const { memberId } = present(group.joined(token), 'a member has not joined');
    return { memberId, instanceId: join(i).instanceId };
  });
  syncAll(group, members);
  return members;
}

/** Somebody who joins alone. */
export function joinedIn(group: TestGroup, join: TestJoin): TestMember {
  const { memberId } = present(group.joined(group.join(join)), 'a member has not joined');
  return { memberId, instanceId: join.instanceId };
}

/** All sync, the one that leads last. */
export function syncAll(group: TestGroup, [leader, ...others]: readonly TestMember[]): void {
  assert(leader !== undefined, 'nobody leads');
  for (const other of others) group.sync(other);
  group.sync(leader, Object.fromEntries([leader, ...others].map(({ memberId }) => [memberId, memberId])));
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function protocolOf(text: string): { name: string; metadata: Uint8Array } {
  const [name = '', metadata = 'topic'] = text.split('=');
  return { name, metadata: bytesOf(metadata) };
}

function answer<T>(answers: Map<number, T | undefined>, token: number, response: T): void {
  assert(
    answers.has(token) && answers.get(token) === undefined,
    'a request is answered twice, or in another way than it was made',
  );
  answers.set(token, response);
}
