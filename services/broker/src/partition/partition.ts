import { assert, InvariantViolation } from '@weir/base/assert.ts';
import { DiskError } from '@weir/base/disk.ts';
import { messageOf, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import type { LeaderEpoch, Offset } from '@weir/base/ids.ts';
import { passesByItself } from '@weir/log/log-errors.ts';
import type { LogFault } from '@weir/log/log-writer-parts.ts';
import type { RetentionReport } from '@weir/log/retention.ts';
import { recordCountOf } from '@weir/records/batch-header.ts';
import { InSyncReplicas } from '../replication/in-sync-replicas.ts';
import type { HeldRange, IsrMember, ReplicaState } from '../replication/in-sync-replicas.ts';
import type { AppendWaiter } from './append-queue.ts';
import { Followership } from './followership.ts';
import { Leadership } from './leadership.ts';
import type { Acks, FollowerReader } from './leadership.ts';
import { folderOf } from './partition-key.ts';
import type { PartitionParts, PartitionShared, PartitionState, PartitionTopic } from './partition-parts.ts';
import type { PartitionKey } from './partition-key.ts';
import * as refusals from './refusals.ts';
import { ReplicaLog } from './replica-log.ts';
import { TailReaders } from './tail-readers.ts';
import { batchProblem, retentionRules } from './topic-settings.ts';
import type { TurnMember } from './turn.ts';

/**
 * One replica: who may append and read, what waits for its position, who reads at its tail. No promises: it decides
 * within the turn, and answers through callbacks. What it has as a leader is in `leadership.ts`, what it does as a follower
 * in `followership.ts`.
 *
 * Invariants: readers see nothing at or past the high watermark, and an append with acks=all is answered with an offset only
 * below it; the high watermark never falls, unless an unclean election has dropped what was below it.
 */
export class Partition extends ReplicaLog implements TurnMember {
  readonly key: PartitionKey;
  #topic: PartitionTopic;
  readonly #shared: PartitionShared;
  #state: PartitionState;
  /** While it leads. */
  #leadership: Leadership | undefined;
  /** While it follows. */
  #followership: Followership | undefined;
  /** Who reads here: woken by a move of the high watermark, the log's start or the leader epoch. */
  readonly readers = new TailReaders();
  /** Readers at the tail have to be woken though the high watermark has not moved. */
  #hasNews = false;
  #segments: number;
  /** The last leader epoch in which it led or followed, since the start; -1: in none. */
  #spokeIn = -1;

  constructor(parts: PartitionParts) {
    super(parts.log, folderOf(parts.key), parts.highWatermark);
    assert(parts.log !== undefined || parts.offline !== undefined, 'a partition without a log is offline');
    this.key = parts.key;
    this.#topic = parts.topic;
    this.#shared = parts.shared;
    this.#segments = parts.log?.segmentCount ?? 0;
    this.#state = parts.offline === undefined ? { kind: 'unassigned' } : { kind: 'offline', reason: parts.offline };
    if (parts.log === undefined) return;
    parts.log.onAdvance = () => parts.shared.turn.advanced(this);
    parts.log.onFault = (error, what) => this.#faulted(error, what);
    parts.log.onSync = (durationMs) => parts.shared.synced(durationMs);
  }

  get state(): PartitionState {
    return this.#state;
  }

  get topic(): PartitionTopic {
    return this.#topic;
  }

  /** Takes over what the metadata says of its topic. */
  set topic(topic: PartitionTopic) {
    this.#topic = topic;
    if (this.log !== undefined) this.log.segmentBytes = topic.settings.segmentBytes;
  }

  /** For people. */
  get name(): string {
    return `${this.topic.name}-${this.key.index}`;
  }

  /** What it has as its leader; undefined while it does not lead. */
  get leadership(): Leadership | undefined {
    return this.#leadership;
  }

  /**
   * Whether its high watermark may be told as the end of what is committed: a new leader does not know yet what its
   * predecessor had committed, only that it lies below the start of its epoch (R10).
   */
  get isEndKnown(): boolean {
    return this.#leadership === undefined || this.highWatermark >= this.#leadership.epochStart;
  }

  /**
   * Leads in this epoch, with these replicas; both may be what they were. The epoch and the offset it starts at are durable
   * before the first request is served (rule 8 in docs/INVARIANTS.md).
   *
   * @returns false when it cannot for want of room or descriptors: then it is to be tried again
   */
  lead(epoch: LeaderEpoch, replicas: ReplicaState): boolean {
    const log = this.log;
    const shared = this.#shared;
    const parts = { me: shared.brokerId, epochStart: log?.endOffset ?? offset(0), nowMs: shared.clock.monotonicMs() };
    if (this.#state.kind === 'offline') {
      // Elected by a coordinator that knows of its broker alone: another replica is to lead.
      shared.replicator.resigns(this, { epoch, replicas: new InSyncReplicas(parts, replicas) });
    }
    if (this.#isOut() || log === undefined) return true;
    if (this.#leadership?.epoch === epoch) {
      this.#adopt(this.#leadership, replicas);
      return true;
    }
    if (epoch < log.latestEpoch) {
      // An older copy of the metadata has come back: appending under a past epoch would fork the log.
      this.goOffline(`the metadata says leader epoch ${epoch}, its log has records of epoch ${log.latestEpoch}`);
      return true;
    }
    try {
      if (epoch > log.latestEpoch) log.beginEpoch(epoch);
    } catch (error) {
      if (error instanceof DiskError && passesByItself(error)) return false;
      this.#broken('leader epoch', error);
    }
    // Offline by then, when the disk failed: it resigns.
    if (this.#isOut()) return this.lead(epoch, replicas);
    this.#endFollowing();
    const previous = this.#leadership;
    this.#spokeIn = Math.max(this.#spokeIn, epoch);
    this.#state = { kind: 'leader', epoch };
    const inSync = new InSyncReplicas({ ...parts, epochStart: log.endOffset }, replicas);
    this.#leadership = new Leadership(log, epoch, inSync, previous);
    previous?.endFollowers(refusals.otherEpoch(this.name, previous.epoch, epoch));
    // Who reads in an older epoch is fenced; and without followers all that it has is committed.
    this.#tellSoon();
    return true;
  }

  /**
   * Another broker leads, or none (-1).
   *
   * @param uncleanEpoch - the leader epoch that the last unclean election began; -1: none
   */
  follow(leader: number, epoch: number, uncleanEpoch: number): void {
    const { state } = this;
    const log = this.log;
    if (this.#isOut() || log === undefined) return;
    if (state.kind === 'follower' && state.leader === leader && state.epoch === epoch) return;
    this.#spokeIn = Math.max(this.#spokeIn, epoch);
    this.#state = { kind: 'follower', leader, epoch };
    if (state.kind === 'leader') this.#dismiss(refusals.notLeader(this.name, leader));
    this.#followership = new Followership(log, { name: this.name, leader, epoch, uncleanEpoch }, this);
    this.#shared.replicator.follows(this);
  }

  /**
   * Does something as a follower.
   *
   * @param otherwise - what is returned when the partition does not follow, goes offline over it, or the disk has no room
   */
  asFollower<T>(what: string, act: (followership: Followership) => T, otherwise: T): T {
    const followership = this.#followership;
    if (followership === undefined) return otherwise;
    try {
      const result = act(followership);
      this.#shared.turn.appended(this);
      // A fault may also have been told through the log's callback.
      return this.#followership === followership ? result : otherwise;
    } catch (error) {
      if (!(error instanceof DiskError && passesByItself(error))) this.#broken(what, error);
      return otherwise;
    }
  }

  /** Its log begins where its leader's does, once that is due. False: it cannot for now. */
  followStart(): boolean {
    const isDue = this.#followership?.isStartDue === true;
    return !isDue || this.asFollower('moving its start', (followership) => followership.followStart(), false);
  }

  /** The metadata does not place it here. */
  unassign(): void {
    if (this.#isOut()) return;
    const wasLeader = this.#state.kind === 'leader';
    this.#state = { kind: 'unassigned' };
    if (wasLeader) this.#dismiss(refusals.notLeader(this.name, -1));
    this.#endFollowing();
  }

  /** Takes the replica out of service. It is never tried again by itself. */
  goOffline(reason: string, cause?: unknown): void {
    if (this.#isOut()) return;
    const leadership = this.#leadership;
    this.#state = { kind: 'offline', reason };
    this.#shared.wentOffline(this, reason, cause);
    this.#dismiss(refusals.offline(this.name, reason));
    this.#endFollowing();
    if (leadership !== undefined) this.#shared.replicator.resigns(this, leadership);
  }

  /**
   * Begins anew as an empty replica: what it held is damaged, and others have it. Only while the metadata has it neither in
   * sync nor eligible to lead, and no leader can take it for what it was.
   *
   * @returns false when it cannot for want of room or descriptors: then it is to be tried again
   */
  beginAnew(): boolean {
    if (this.#state.kind !== 'offline') return true;
    try {
      this.dropRecords();
    } catch (error) {
      // Else it stays as it is, and the next start finds it so.
      if (error instanceof DiskError) return !passesByItself(error);
      throw error;
    }
    this.#state = { kind: 'unassigned' };
    return true;
  }

  /** Its topic was deleted, for certain: answers all that waits, and closes the log, dropping what is not written. */
  retire(): void {
    if (this.#state.kind === 'deleted') return;
    this.#state = { kind: 'deleted' };
    this.#dismiss(refusals.unknownTopic(this.key.topicId));
    this.#endFollowing();
    try {
      this.log?.discard();
    } catch (error) {
      // It goes whatever state it is in.
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Why a request with this leader epoch (-1: it knows none) is not served, or undefined when it is. */
  problem(leaderEpoch: number): Refusal | undefined {
    const state = this.#state;
    switch (state.kind) {
      case 'leader':
        if (leaderEpoch === -1 || leaderEpoch === state.epoch) return undefined;
        return refusals.otherEpoch(this.name, leaderEpoch, state.epoch);
      case 'follower':
        return refusals.notLeader(this.name, state.leader);
      case 'unassigned':
      case 'deleted':
        return refusals.unknownTopic(this.key.topicId);
      case 'offline':
        return refusals.offline(this.name, state.reason);
    }
  }

  /**
   * Appends one batch, whose buffer is the log's from now on. The waiter is told at the end of the turn in which the
   * batch counts, by `acks`, or never when the answer is a refusal. One that an idempotent producer has sent before is not
   * appended again: the waiter is told the offset that it got then.
   */
  append(
    batch: Buffer,
    leaderEpoch: number,
    waiter: AppendWaiter,
    slot: number,
    acks: Acks = 'all',
  ): Refusal | undefined {
    const problem = this.problem(leaderEpoch) ?? batchProblem(batch, this.topic.settings);
    if (problem !== undefined) return problem;
    const leadership = this.#leadership!;
    const few = leadership.problem(this.name, acks);
    if (few !== undefined) return few;
    const log = this.served;
    const known = log.admit(batch);
    if (known !== undefined) {
      if ('code' in known) return known;
      // Together with the one that was appended, or at the end of this turn when that counts already.
      const { baseOffset, endOffset } = known;
      leadership.pushDuplicate({ baseOffset, endOffset, waiter, slot }, acks);
      this.#shared.turn.advanced(this);
      return undefined;
    }
    const { pending, room, turn } = this.#shared;
    if (pending.bytes + batch.length > pending.maxBytes) return refusals.throttled(pending.bytes, pending.maxBytes);
    const full = room.problem(batch.length) ?? (log.stuck === undefined ? undefined : refusals.stuck(log.stuck));
    if (full !== undefined) return full;
    let baseOffset: Offset;
    try {
      baseOffset = log.append(batch);
    } catch (error) {
      this.#broken('append', error);
      return this.problem(-1);
    }
    // A fault may also have been told through the log's callback.
    if (this.#leadership !== leadership) return this.problem(-1);
    pending.bytes += batch.length;
    pending.everBytes += batch.length;
    leadership.push({ endOffset: log.endOffset, baseOffset, bytes: batch.length, waiter, slot }, acks);
    room.took(batch.length);
    const { counters } = this.topic;
    counters.bytesIn += batch.length;
    counters.batchesIn++;
    counters.recordsIn += recordCountOf(batch, 0);
    turn.appended(this);
    return undefined;
  }

  flush(): void {
    const log = this.log;
    if (log === undefined || this.#isOut()) return;
    try {
      log.flush();
    } catch (error) {
      this.#broken('flush', error);
    }
  }

  release(): void {
    if (this.#followership !== undefined) return this.#shared.replicator.isDurable(this);
    const leadership = this.#leadership;
    const log = this.log;
    if (leadership === undefined || log === undefined) return;
    const { durableEnd, startOffset: logStart } = log;
    const hasMoved = this.raiseWatermark(leadership.replicas.committable(durableEnd));
    const highWatermark = this.highWatermark;
    this.#shared.pending.bytes -= leadership.release({ durableEnd, highWatermark, logStart });
    const segments = log.segmentCount;
    if (segments !== this.#segments) {
      this.#segments = segments;
      this.#shared.rolled();
    }
    if (hasMoved) leadership.tellMarks();
    if (!hasMoved && !this.#hasNews) return;
    this.#hasNews = false;
    this.readers.wake();
  }

  /**
   * A follower follows, from an offset up to which its log says what this one says, durably. False: it has begun anew since.
   */
  followerBegins(follower: IsrMember, subscription: bigint, reader: FollowerReader, from: Offset): boolean {
    const replicas = this.#leadership?.replicas;
    if (replicas?.begins(follower, subscription, reader, from, this.#asOfNow()) !== true) return false;
    this.#followersMoved(follower.broker);
    if (replicas.lacks(follower.broker, this.highWatermark)) this.#shared.replicator.mayAlterIsr(this);
    return true;
  }

  /** What it has durably has changed. */
  followerMoved(broker: number, reader: FollowerReader, held: HeldRange): void {
    if (this.#leadership?.replicas.moved(broker, reader, held, this.#asOfNow()) === true) this.#followersMoved(broker);
  }

  /**
   * Looks for followers that have fallen behind. True: there may be an ISR to propose.
   *
   * @param pausedMs - so long this process could not hear them
   */
  lookAtFollowers(pausedMs: number): boolean {
    const leadership = this.#leadership;
    if (leadership === undefined || !leadership.replicas.hasFollowers) return false;
    leadership.replicas.look(this.#asOfNow(), pausedMs);
    return true;
  }

  /**
   * Deletes the records below an offset (-1: all below the high watermark), durably before it returns; followers later.
   *
   * @returns the log's start after it, or why nothing was deleted
   */
  deleteRecords(before: number): Offset | Refusal {
    const problem = this.problem(-1);
    if (problem !== undefined) return problem;
    const { highWatermark } = this;
    const asked = before === -1 ? highWatermark : before;
    if (asked < 0 || asked > highWatermark) {
      return refusal(
        'OFFSET_OUT_OF_RANGE',
        `${this.name} ends at ${highWatermark}: records below ${before} cannot be deleted`,
      );
    }
    try {
      this.served.deleteRecords(offset(asked));
      this.#tellSoon();
    } catch (error) {
      if (error instanceof DiskError && passesByItself(error)) {
        return refusal('KAFKA_STORAGE_ERROR', `the records of ${this.name} cannot be deleted now: ${error.message}`);
      }
      this.#broken('deleting records', error);
    }
    return this.problem(-1) ?? this.logStartOffset;
  }

  /**
   * Removes the segments that the topic's configs do not keep, only where it leads, and seals the one that grows. And
   * forgets idempotent producers that have long been silent.
   */
  retain(nowMs: number): RetentionReport {
    this.log?.expireProducers(nowMs);
    const { kind } = this.#state;
    if (kind !== 'leader' && kind !== 'follower') return NOTHING;
    const rules = retentionRules(this.topic.settings, kind === 'leader');
    if (rules === undefined) return NOTHING;
    try {
      const report = this.served.retain({ ...rules, nowMs, upTo: this.highWatermark });
      if (report.segments > 0) this.#tellSoon();
      return report;
    } catch (error) {
      this.#broken('retention', error);
      return NOTHING;
    }
  }

  /** Ends everything that waits here, with the reason. */
  dismissAll(why: Refusal): void {
    this.#dismiss(why);
  }

  /**
   * Syncs and closes the log. Nothing may come after it.
   *
   * @returns whether all that its log wrote is durable
   * @throws DiskError
   */
  close(clean: boolean): boolean {
    return this.log?.close(clean && this.#state.kind !== 'offline') ?? true;
  }

  override lowerWatermark(to: Offset): void {
    super.lowerWatermark(to);
    this.#shared.watermarkLowered();
  }

  #adopt(leadership: Leadership, replicas: ReplicaState): void {
    leadership.replicas.adopt(replicas);
    this.#shared.pending.bytes -= leadership.failUncommitted(this.name);
    this.#shared.turn.advanced(this);
    this.#shared.replicator.mayAlterIsr(this);
  }

  #followersMoved(broker: number): void {
    this.#shared.turn.advanced(this);
    if (this.#leadership?.replicas.mayJoin(broker, this.highWatermark) === true)
      this.#shared.replicator.mayAlterIsr(this);
  }

  #asOfNow(): { readonly ms: number; readonly logEnd: Offset } {
    return { ms: this.#shared.clock.monotonicMs(), logEnd: this.served.endOffset };
  }

  /** What readers at the tail and followers are told has changed, and not by an append. */
  #tellSoon(): void {
    this.#hasNews = true;
    this.#leadership?.startMoved();
    this.#shared.turn.advanced(this);
  }

  #endFollowing(): void {
    if (this.#followership === undefined) return;
    this.#followership = undefined;
    this.#shared.replicator.leaves(this);
  }

  #endLeadership(why: Refusal): void {
    const leadership = this.#leadership;
    this.#leadership = undefined;
    if (leadership !== undefined) this.#shared.pending.bytes -= leadership.end(why);
  }

  #faulted(error: DiskError, what: LogFault): void {
    switch (what) {
      case 'sync':
        this.#shared.syncFailed(this, error);
        return this.goOffline(`a sync of its log failed: ${error.message}`, error);
      case 'append':
        return this.goOffline(`writing its log failed: ${error.message}`, error);
      case 'read':
        return this.goOffline(`reading its log failed: ${error.message}`, error);
      case 'damage':
        if (this.#isOut()) return;
        this.goOffline(`its log is damaged: ${error.message}`, error);
        return this.#shared.damaged(this, this.#spokeIn);
    }
  }

  /** A fault of the disk, or an invariant of this partition that does not hold, takes this replica offline alone. */
  #broken(what: string, error: unknown): void {
    const kind = error instanceof InvariantViolation ? 'an invariant does not hold' : 'its log failed';
    this.goOffline(`${kind} (${what}): ${messageOf(error)}`, error);
  }

  /** Whether it is out of service for as long as it lives. */
  #isOut(): boolean {
    return this.#state.kind === 'offline' || this.#state.kind === 'deleted';
  }

  #dismiss(why: Refusal): void {
    this.#endLeadership(why);
    this.readers.end(why);
  }
}

const NOTHING: RetentionReport = { segments: 0, bytes: 0 };
