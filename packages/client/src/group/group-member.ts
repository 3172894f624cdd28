import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode, Refusal } from '@weir/base/errors.ts';
import {
  CONSUMER_CLOSE_MS_MAX,
  CONSUMER_HEARTBEATS_PER_SESSION,
  GROUP_JOIN_SLACK_MS,
} from '@weir/base/group-limits.ts';
import { METADATA_WAIT_MS, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import {
  GroupService,
  HeartbeatRequestSchema,
  JoinGroupRequestSchema,
  LeaveGroupRequestSchema,
  SyncGroupRequestSchema,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type { JoinGroupResponse } from '@weir/proto/weir/broker/v1/groups_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { Metadata } from '../metadata/metadata.ts';
import type { ClientWorld } from '../world.ts';
import { placeOf } from './assignor.ts';
import type { Assignor, TopicPartition } from './assignor.ts';
import {
  CONSUMER_PROTOCOL_TYPE,
  encodeAssignment,
  encodeSubscription,
  readAssignment,
  readSubscription,
} from './consumer-messages.ts';
import { describeGroup } from './describe-group.ts';
import { refusalOf, thrownRefusal } from './group-calls.ts';
import type { GroupCalls } from './group-calls.ts';
import type { CommitterIdentity } from './group-offsets.ts';
import { extentOf, topicNames } from './subscribed-topics.ts';
import type { TopicsWanted } from './subscribed-topics.ts';

const JOIN = protobufMethod(GroupService.method.joinGroup);
const SYNC = protobufMethod(GroupService.method.syncGroup);
const HEARTBEAT = protobufMethod(GroupService.method.heartbeat);
const LEAVE = protobufMethod(GroupService.method.leaveGroup);
const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** What a member is. */
export interface MemberOptions {
  readonly groupId: string;
  /** What its ids begin with. */
  readonly clientId: string;
  /** Of a static member: it keeps its place while it is away for less than the session timeout. */
  readonly instanceId: string | undefined;
  /** The one that it likes best comes first. Unless all are cooperative it gives away all before it joins. */
  readonly assignors: readonly Assignor[];
  readonly sessionTimeoutMs: number;
  /** How long its owner may take nothing, and how long the others wait for it. */
  readonly pollIntervalMs: number;
}

/** What a member needs. */
export interface MemberParts {
  readonly metadata: Metadata;
  readonly world: ClientWorld;
  readonly calls: GroupCalls;
}

/** Who reads what the member gets. One call of these at a time; the next one waits for it. */
export interface MemberOwner {
  /** These are its own now. */
  assigned(places: readonly TopicPartition[]): Promise<void>;
  /** These are given away once it resolves; until then it may commit. */
  revoked(places: readonly TopicPartition[]): Promise<void>;
  /** These may be somebody else's already. */
  lost(places: readonly TopicPartition[]): Promise<void>;
  /** When its owner took something last, on the monotonic clock; now, while it waits for something. */
  takenMs(): number;
  /** It cannot be a member: the last that is called. */
  failed(error: unknown): void;
}

/** What a consumer has to do with its group. */
export interface Membership {
  /** Who it is, for its commits. */
  readonly identity: CommitterIdentity;
  /** Its owner takes records again. */
  taken(): void;
  /** Another call, made in some generation, was answered with this. */
  told(why: Refusal, generation: number): void;
  /** Gives away what it owns, and is no part of the group any more. */
  close(): Promise<void>;
}

/** Why the member does not go on as it is; those further down count more. */
type Disturbance =
  /** There is a new generation, or what it subscribes to has changed. */
  | { readonly kind: 'rejoin'; readonly reason: string }
  /** It is none of that generation. */
  | { readonly kind: 'lost'; readonly why: Refusal }
  /** Its owner takes nothing. */
  | { readonly kind: 'idle' };

const REJOIN: Disturbance = { kind: 'rejoin', reason: '' };
const RANK = { rejoin: 1, lost: 2, idle: 3 };

/** Answers to a JoinGroup that the next one will not change. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'FENCED_INSTANCE_ID',
  'GROUP_MAX_SIZE_REACHED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'POLICY_VIOLATION',
  'INVALID_REQUEST',
]);

/**
 * A member of a consumer group, from its first JoinGroup to its last LeaveGroup: it joins, gets its part, tells that it is there,
 * and joins again whenever something has changed.
 *
 * Invariant: what it owns it got in the generation that it is in, or it has kept it from the one before (cooperative members).
 */
export class GroupMember implements Membership {
  readonly #options: MemberOptions;
  readonly #parts: MemberParts;
  readonly #owner: MemberOwner;
  readonly #isCooperative: boolean;
  readonly #closed = new AbortController();
  readonly #cancels: Cancel[];
  readonly #running: Promise<void>;
  #wanted: TopicsWanted;
  #memberId = '';
  /** -1: in none. */
  #generation = -1;
  #isJoining = false;
  #isSyncing = false;
  #isBeating = false;
  #failures = 0;
  #owned: readonly TopicPartition[] = [];
  /** The generation in which it got that. */
  #ownedSince = -1;
  /** Topics whose partitions it looks after: as the leader those of all members. */
  #watched: readonly string[] = [];
  #extent = '';
  #names = '';
  #disturbance: Disturbance | undefined;
  /** Why it joins, for people. */
  #reason = '';
  #wake: () => void = () => {};

  constructor(options: MemberOptions, wanted: TopicsWanted, parts: MemberParts, owner: MemberOwner) {
    this.#options = options;
    this.#wanted = wanted;
    this.#parts = parts;
    this.#owner = owner;
    this.#isCooperative = options.assignors.every(({ isCooperative }) => isCooperative);
    const beatMs = Math.floor(options.sessionTimeoutMs / CONSUMER_HEARTBEATS_PER_SESSION);
    this.#cancels = [parts.world.clock.every(beatMs, () => this.#beat()), parts.metadata.listen(() => this.#look())];
    this.#running = this.#run();
  }

  get groupId(): string {
    return this.#options.groupId;
  }

  /** Who it is, for its commits. A generation of -1: it is in none. */
  get identity(): CommitterIdentity {
    const { instanceId = '' } = this.#options;
    return { memberId: this.#memberId, instanceId, generation: this.#generation };
  }

  /** Reads other topics from the next generation on. */
  subscribe(wanted: TopicsWanted): void {
    this.#wanted = wanted;
    this.#disturb({ kind: 'rejoin', reason: 'it subscribes to other topics' });
  }

  /** Its owner takes records again. */
  taken(): void {
    this.#wake();
  }

  /** Another call, made in some generation, was answered with this. */
  told({ code, message }: Refusal, generation: number): void {
    if (generation !== this.#generation || this.#isJoining) return;
    switch (code) {
      case 'REBALANCE_IN_PROGRESS':
        // A commit meets the rebalance that it is in. Should another one begin, its SyncGroup is answered so.
        if (this.#isSyncing) return;
        return this.#disturb({ kind: 'rejoin', reason: 'the group rebalances' });
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
      case 'FENCED_INSTANCE_ID':
        return this.#disturb({ kind: 'lost', why: { code, message } });
      default:
    }
  }

  /** Gives away what it owns and leaves, within CONSUMER_CLOSE_MS_MAX. A static member keeps its place. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#wake();
    const { clock } = this.#parts.world;
    const done = new AbortController();
    await Promise.race([this.#running.finally(() => done.abort()), sleep(clock, CONSUMER_CLOSE_MS_MAX, done.signal)]);
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed.signal.aborted && (await this.#generationOnce()));
      await this.#leave();
    } catch (error) {
      this.#owner.failed(error);
    } finally {
      for (const cancel of this.#cancels) cancel();
    }
  }

  /** One generation, or a try to get into one. False: there will be no other. */
  async #generationOnce(): Promise<boolean> {
    try {
      await this.#giveAway();
      if (this.#closed.signal.aborted || (this.#disturbance ?? REJOIN).kind !== 'rejoin') return true;
      const joined = await this.#join();
      const assignment = joined === undefined ? undefined : await this.#sync(joined);
      if (assignment === undefined) return true;
      this.#failures = 0;
      await this.#takeOver(assignment);
      if (joined!.skipAssignment) await this.#lookForUnassigned();
      this.#look();
      await this.#undisturbed();
      return true;
    } catch (error) {
      const why = thrownRefusal(error);
      if (this.#closed.signal.aborted) return true;
      if (!ERRORS[why.code].retriable) {
        await this.#tellLeaving(why.message);
        await this.#owner.lost(this.#takeOwned());
        this.#owner.failed(error);
        return false;
      }
      const { clock, random, logger } = this.#parts.world;
      const waitMs = backoffMs(++this.#failures, BACKOFF, random);
      logger.debug({ code: why.code, tries: this.#failures }, `joining group ${this.groupId}: ${why.message}`);
      await sleep(clock, waitMs, this.#closed.signal);
      return true;
    } finally {
      this.#isJoining = this.#isSyncing = false;
    }
  }

  /** What has to go before it joins: all of it, unless all members keep what they have. */
  async #giveAway(): Promise<void> {
    const disturbance = this.#disturbance;
    this.#disturbance = undefined;
    this.#reason = disturbance?.kind === 'rejoin' ? disturbance.reason : '';
    if (disturbance?.kind === 'lost' || disturbance?.kind === 'idle') {
      this.#generation = -1;
      if (disturbance.kind === 'idle' || disturbance.why.code !== 'ILLEGAL_GENERATION') this.#memberId = '';
      await this.#owner.lost(this.#takeOwned());
      if (disturbance.kind === 'idle') await this.#untilTaken();
      else if (disturbance.why.code === 'FENCED_INSTANCE_ID') {
        throw new WeirError(disturbance.why.code, disturbance.why.message);
      }
    } else if (!this.#isCooperative && this.#owned.length > 0) {
      await this.#revoke(this.#owned);
    }
  }

  /** Undefined: it has to try again. */
  async #join(): Promise<JoinGroupResponse | undefined> {
    const { groupId, clientId, instanceId = '', assignors, sessionTimeoutMs, pollIntervalMs } = this.#options;
    this.#isJoining = true;
    // A pattern finds nothing before there are metadata, and with those the member would join once more.
    await this.#unlessClosed(this.#parts.metadata.ready(METADATA_WAIT_MS));
    const topics = topicNames(this.#wanted, this.#parts.metadata.image);
    // What was told meanwhile about the former generation is what it does now.
    this.#disturbance = undefined;
    this.#names = topics.join();
    const metadata = encodeSubscription({ topics, owned: this.#owned, generation: this.#ownedSince });
    const request = create(JoinGroupRequestSchema, {
      groupId,
      memberId: this.#memberId,
      instanceId,
      clientId,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      protocols: assignors.map(({ name }) => ({ name, metadata })),
      sessionTimeoutMs,
      rebalanceTimeoutMs: pollIntervalMs,
      reason: this.#reason,
    });
    const answerMs = pollIntervalMs + GROUP_JOIN_SLACK_MS;
    const signal = this.#closed.signal;
    const joined = await this.#unlessClosed(
      this.#parts.calls.ask(groupId, JOIN, request, { answerMs, outcomeOf: (response) => response, signal }),
    );
    const refused = refusalOf(joined);
    if (refused === undefined) {
      this.#memberId = joined.memberId;
      this.#generation = joined.generation;
      return joined;
    }
    if (refused.code === 'MEMBER_ID_REQUIRED') this.#memberId = joined.memberId;
    else if (refused.code === 'UNKNOWN_MEMBER_ID') this.#disturbance = { kind: 'lost', why: refused };
    else throw new WeirError(FINAL.has(refused.code) ? refused.code : 'COORDINATOR_NOT_AVAILABLE', refused.message);
    return undefined;
  }

  /** What it gets; undefined: it has to join again. */
  async #sync(joined: JoinGroupResponse): Promise<readonly TopicPartition[] | undefined> {
    const { groupId, instanceId = '', pollIntervalMs } = this.#options;
    const { memberId, generation, protocol } = joined;
    const request = create(SyncGroupRequestSchema, {
      groupId,
      memberId,
      instanceId,
      generation,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      protocol,
      assignments: this.#share(joined),
    });
    this.#isJoining = false;
    this.#isSyncing = true;
    const signal = this.#closed.signal;
    const answerMs = pollIntervalMs + GROUP_JOIN_SLACK_MS;
    const synced = await this.#unlessClosed(
      this.#parts.calls.ask(groupId, SYNC, request, { answerMs, outcomeOf: (response) => response, signal }),
    );
    this.#isSyncing = false;
    const refused = refusalOf(synced);
    if (refused === undefined) return readAssignment(synced.assignment);
    this.told(refused, generation);
    if (this.#disturbance === undefined) throw new WeirError('COORDINATOR_NOT_AVAILABLE', refused.message);
    return undefined;
  }

  /** As the leader: what each member gets. Others say nothing. */
  #share({ leader, memberId, members, protocol, skipAssignment }: JoinGroupResponse): {
    memberId: string;
    assignment: Uint8Array;
  }[] {
    const { image } = this.#parts.metadata;
    const isLeader = leader === memberId;
    const subscribers = isLeader
      ? members.map((member) =>
          readSubscription({ memberId: member.memberId, instanceId: member.instanceId || undefined }, member.metadata),
        )
      : [];
    this.#watched = [...new Set(subscribers.flatMap(({ topics }) => topics))];
    this.#extent = extentOf(this.#watched, image);
    const assignor = this.#options.assignors.find(({ name }) => name === protocol);
    if (!isLeader || skipAssignment || assignor === undefined) return [];
    const assignment = assignor.assign(subscribers, (topic) => image.topic(topic)?.partitions.length ?? 0);
    return [...assignment].map(([id, places]) => ({ memberId: id, assignment: encodeAssignment(places) }));
  }

  async #takeOver(assignment: readonly TopicPartition[]): Promise<void> {
    const next = new Set(assignment.map(placeOf));
    const gone = this.#owned.filter((place) => !next.has(placeOf(place)));
    if (gone.length > 0) {
      await this.#revoke(gone);
      // Somebody else gets it in the next one.
      this.#disturb({ kind: 'rejoin', reason: 'it has given away what it is to give away' });
    }
    const before = new Set(this.#owned.map(placeOf));
    const added = assignment.filter((place) => !before.has(placeOf(place)));
    this.#owned = assignment;
    this.#ownedSince = this.#generation;
    const { logger } = this.#parts.world;
    const facts = { group: this.groupId, generation: this.#generation, partitions: assignment.length };
    logger.info(facts, `in generation ${this.#generation} of group ${this.groupId}`);
    await this.#owner.assigned(added);
  }

  async #revoke(places: readonly TopicPartition[]): Promise<void> {
    const gone = new Set(places.map(placeOf));
    await this.#owner.revoked(places);
    this.#owned = this.#owned.filter((place) => !gone.has(placeOf(place)));
  }

  #takeOwned(): readonly TopicPartition[] {
    const owned = this.#owned;
    this.#owned = [];
    this.#ownedSince = -1;
    return owned;
  }

  async #leave(): Promise<void> {
    try {
      if (this.#disturbance?.kind === 'lost') await this.#owner.lost(this.#takeOwned());
      else await this.#revoke(this.#owned);
    } finally {
      await this.#tellLeaving('the consumer is closed');
    }
  }

  async #tellLeaving(reason: string): Promise<void> {
    const { groupId, instanceId } = this.#options;
    const memberId = this.#memberId;
    this.#memberId = '';
    this.#generation = -1;
    if (memberId === '' || instanceId !== undefined) return;
    const request = create(LeaveGroupRequestSchema, { groupId, members: [{ memberId, reason }] });
    const { calls, world } = this.#parts;
    await calls
      .ask(groupId, LEAVE, request, { retryMs: CONSUMER_CLOSE_MS_MAX, outcomeOf: (response) => response })
      .catch((error: unknown) =>
        world.logger.debug({ err: error }, `group ${groupId} has not been told that a member leaves`),
      );
  }

  #beat(): void {
    if (this.#generation < 0 || this.#isJoining || this.#isBeating || this.#closed.signal.aborted) return;
    const { clock } = this.#parts.world;
    if (clock.monotonicMs() - this.#owner.takenMs() >= this.#options.pollIntervalMs) {
      if (this.#disturbance?.kind === 'idle') return;
      this.#disturb({ kind: 'idle' });
      void this.#tellLeaving('its owner takes nothing');
      return;
    }
    const { groupId, instanceId = '' } = this.#options;
    const generation = this.#generation;
    const request = create(HeartbeatRequestSchema, { groupId, memberId: this.#memberId, instanceId, generation });
    this.#isBeating = true;
    this.#parts.calls
      .ask(groupId, HEARTBEAT, request, { retryMs: 0 })
      .then(
        (response) => {
          const refused = refusalOf(response);
          if (refused !== undefined) this.told(refused, generation);
        },
        (error: unknown) =>
          this.#parts.world.logger.debug({ err: error }, `a heartbeat in ${groupId} was not answered`),
      )
      .finally(() => (this.#isBeating = false));
  }

  /** A static leader that is back does not know what it had assigned, and what has come since. */
  async #lookForUnassigned(): Promise<void> {
    const { calls, metadata } = this.#parts;
    const group = await describeGroup(calls, this.groupId).catch((error: unknown) => thrownRefusal(error));
    const isKnown = 'members' in group;
    // In any other state there is a rebalance on its way.
    if (isKnown && group.state !== 'Stable') return;
    const members = isKnown ? group.members : [];
    const assigned = new Set(members.flatMap(({ assignment }) => assignment.map(placeOf)));
    const isAssigned = (topic: string): boolean =>
      (metadata.image.topic(topic)?.partitions ?? []).every(({ index: partition }) =>
        assigned.has(placeOf({ topic, partition })),
      );
    if (!this.#watched.every(isAssigned))
      this.#disturb({ kind: 'rejoin', reason: 'topics or partitions have come while it was away' });
  }

  /** Whether what it subscribes to, or as the leader what anybody does, is as it was when it joined. */
  #look(): void {
    if (this.#generation < 0 || this.#isJoining) return;
    const { image } = this.#parts.metadata;
    const isSame =
      this.#names === topicNames(this.#wanted, image).join() && this.#extent === extentOf(this.#watched, image);
    if (!isSame) this.#disturb({ kind: 'rejoin', reason: 'topics or partitions have come or gone' });
  }

  #disturb(disturbance: Disturbance): void {
    const before = this.#disturbance;
    if (before === undefined || RANK[before.kind] < RANK[disturbance.kind]) this.#disturbance = disturbance;
    this.#wake();
  }

  async #undisturbed(): Promise<void> {
    while (this.#disturbance === undefined && !this.#closed.signal.aborted) await this.#woken();
  }

  async #untilTaken(): Promise<void> {
    const { clock } = this.#parts.world;
    const isIdle = (): boolean => clock.monotonicMs() - this.#owner.takenMs() >= this.#options.pollIntervalMs;
    while (isIdle() && !this.#closed.signal.aborted) await this.#woken();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** @throws WeirError (as a rejection) SHUTTING_DOWN as soon as it is closed */
  #unlessClosed<T>(asked: Promise<T>): Promise<T> {
    const { signal } = this.#closed;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(new WeirError('SHUTTING_DOWN', 'the consumer is closed'));
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }
}
