import { assert, InvariantViolation } from '@weir/base/assert.ts';
import { DiskError } from '@weir/base/disk.ts';
import { messageOf, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import type { LeaderEpoch, Offset } from '@weir/base/ids.ts';
import { Members } from '@weir/base/members.ts';
import type { Member } from '@weir/base/members.ts';
import type { Log } from '@weir/log/log.ts';
import { passesByItself } from '@weir/log/log-errors.ts';
import type { LogFault } from '@weir/log/log-writer-parts.ts';
import type { ColdRead, LogRead, TimestampedOffset } from '@weir/log/log-read.ts';
import type { DuplicateBatch } from '@weir/log/producers/admission.ts';
import type { RetentionReport } from '@weir/log/retention.ts';
import { recordCountOf } from '@weir/records/batch-header.ts';
import { checkBatch } from '@weir/records/check-batch.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { TopicCounters } from '../metrics.ts';
import { AppendQueue } from './append-queue.ts';
import type { AppendWaiter } from './append-queue.ts';
import { folderOf } from './partition-key.ts';
import type { PartitionKey } from './partition-key.ts';
import type { TopicSettings } from './topic-settings.ts';
import type { Turn, TurnMember } from './turn.ts';

/** What one replica does. */
export type PartitionState =
  /** Takes and serves records. */
  | { readonly kind: 'leader'; readonly epoch: LeaderEpoch }
  /** Another broker leads, or none (-1). */
  | { readonly kind: 'standby'; readonly leader: number; readonly epoch: number }
  /** Found on disk, and the metadata does not say (yet, or any more) that it belongs here. */
  | { readonly kind: 'unassigned' }
  /** Out of service until the broker starts again, and in some cases until a person has decided. */
  | { readonly kind: 'offline'; readonly reason: string }
  /** Its topic was deleted: the log is closed, and its files are about to go. */
  | { readonly kind: 'deleted' };

/** Someone who reads at the tail. */
export interface TailReader extends Member {
  /** There may be more to read. Called once for each `park`. */
  wake(): void;
  /** The partition is not served here any more. */
  ended(why: Refusal): void;
}

/** What all partitions of a broker share. */
export interface PartitionShared {
  readonly turn: Turn;
  /** Bytes of batches that were taken and do not count yet, and the most of them. */
  readonly pending: { bytes: number; readonly maxBytes: number };
  readonly room: DiskRoom;
  /** A sync failed: nothing that was written since the last one can be trusted, and the process must end. */
  readonly syncFailed: (partition: Partition, error: DiskError) => void;
  /** The replica has gone offline. */
  readonly wentOffline: (partition: Partition, reason: string, cause: unknown) => void;
  readonly synced: (durationMs: number) => void;
  /** A segment was sealed. */
  readonly rolled: () => void;
}

/** What a partition is made of. */
export interface PartitionParts {
  readonly key: PartitionKey;
  /** Undefined when it could not be opened; then `offline` says why. */
  readonly log: Log | undefined;
  readonly offline?: string;
  readonly shared: PartitionShared;
  readonly topic: PartitionTopic;
}

/** What a partition has from its topic. */
export interface PartitionTopic {
  readonly name: string;
  readonly settings: TopicSettings;
  readonly counters: TopicCounters;
}

/**
 * One replica: who may append and read, what waits for its position, who reads at its tail. No promises: it decides
 * within the turn, and answers through callbacks.
 *
 * Invariant: readers see nothing at or past the high watermark; an append is answered with an offset only below it.
 */
export class Partition implements TurnMember {
  readonly key: PartitionKey;
  readonly folder: string;
  #topic: PartitionTopic;
  readonly #log: Log | undefined;
  readonly #shared: PartitionShared;
  #state: PartitionState;
  readonly #appends = new AppendQueue();
  /** At the tail, to be woken by the next move of the high watermark, the log's start or the leader epoch. */
  #parked = new Set<TailReader>();
  #segments: number;
  /** All that read here, parked or not. */
  readonly #readers = new Members<TailReader>();

  constructor(parts: PartitionParts) {
    assert(parts.log !== undefined || parts.offline !== undefined, 'a partition without a log is offline');
    this.key = parts.key;
    this.folder = folderOf(parts.key);
    this.#topic = parts.topic;
    this.#log = parts.log;
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
    if (this.#log !== undefined) this.#log.segmentBytes = topic.settings.segmentBytes;
  }

  /** For people. */
  get name(): string {
    return `${this.topic.name}-${this.key.index}`;
  }

  /** First offset that there is. */
  get logStartOffset(): Offset {
    return this.#served().startOffset;
  }

  /** The end of what counts and may be read. With one replica that is what the leader itself holds durably. */
  get highWatermark(): Offset {
    return this.#served().durableEnd;
  }

  /** Where an epoch ended in its log; -1 twice when the log does not know one that late. */
  epochEnd(epoch: number): { readonly epoch: number; readonly endOffset: number } {
    return this.#served().epochEnd(epoch);
  }

  /** The epoch that an offset was appended in, or would be; -1 when it is not known. */
  epochAt(value: number): number {
    return this.#served().epochAt(value);
  }

  get sizeBytes(): number {
    return this.#log?.sizeBytes ?? 0;
  }

  /** The offset below which a returned sync covers everything; undefined without a log that can be trusted. */
  get checkpointable(): Offset | undefined {
    return this.#log?.checkpointable();
  }

  /**
   * Leads from this epoch on. The epoch and the offset it starts at are durable before the first request is served
   * (reliability.md, rule 8).
   *
   * @returns false when it cannot for want of room or descriptors: then it is to be tried again
   */
  lead(epoch: LeaderEpoch): boolean {
    const log = this.#log;
    if (this.#isOut() || log === undefined) return true;
    if (this.#state.kind === 'leader' && this.#state.epoch === epoch) return true;
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
    // Offline by then, when the disk failed.
    if (this.#isOut()) return true;
    this.#state = { kind: 'leader', epoch };
    // Who reads in an older epoch is fenced.
    this.#wakeSoon();
    return true;
  }

  /** Another broker leads, or none. */
  follow(leader: number, epoch: number): void {
    if (this.#isOut()) return;
    const wasLeader = this.#state.kind === 'leader';
    this.#state = { kind: 'standby', leader, epoch };
    if (wasLeader) this.#dismiss(this.#notLeader(leader));
  }

  /** The metadata does not place it here. */
  unassign(): void {
    if (this.#isOut()) return;
    const wasLeader = this.#state.kind === 'leader';
    this.#state = { kind: 'unassigned' };
    if (wasLeader) this.#dismiss(this.#notLeader(-1));
  }

  /** Takes the replica out of service. It is never tried again by itself. */
  goOffline(reason: string, cause?: unknown): void {
    if (this.#isOut()) return;
    this.#state = { kind: 'offline', reason };
    this.#shared.wentOffline(this, reason, cause);
    this.#dismiss(this.#offlineRefusal(reason));
  }

  /** Its topic was deleted, for certain: answers all that waits, and closes the log, dropping what is not written. */
  retire(): void {
    if (this.#state.kind === 'deleted') return;
    this.#state = { kind: 'deleted' };
    this.#dismiss(this.#unknownTopic());
    try {
      this.#log?.discard();
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
        return this.#epochRefusal(leaderEpoch, state.epoch);
      case 'standby':
        return this.#notLeader(state.leader);
      case 'unassigned':
      case 'deleted':
        return this.#unknownTopic();
      case 'offline':
        return this.#offlineRefusal(state.reason);
    }
  }

  /**
   * Appends one batch, whose buffer is the log's from now on. The waiter is told at the end of the turn in which the
   * batch counts, or never when the answer is a refusal. One that an idempotent producer has sent before is not appended
   * again: the waiter is told the offset that it got then.
   */
  append(batch: Buffer, leaderEpoch: number, waiter: AppendWaiter, slot: number): Refusal | undefined {
    const problem = this.problem(leaderEpoch) ?? checkBatch(batch, { maxBytes: this.topic.settings.messageBytesMax });
    if (problem !== undefined) return problem;
    const log = this.#served();
    const known = log.admit(batch);
    if (known !== undefined) return 'code' in known ? known : this.#answerAgain(known, waiter, slot);
    const { pending, room, turn } = this.#shared;
    if (pending.bytes + batch.length > pending.maxBytes) {
      return refusal(
        'THROTTLING_QUOTA_EXCEEDED',
        `${pending.bytes} bytes wait for the broker's disk, and it holds at most ${pending.maxBytes}: try again later`,
      );
    }
    const full = room.problem(batch.length) ?? stuckRefusal(log.stuck);
    if (full !== undefined) return full;
    let baseOffset: Offset;
    try {
      baseOffset = log.append(batch);
    } catch (error) {
      this.#broken('append', error);
      return this.problem(-1);
    }
    // A fault may also have been told through the log's callback.
    if (this.#state.kind !== 'leader') return this.problem(-1);
    this.#appends.push({ endOffset: log.endOffset, baseOffset, bytes: batch.length, waiter, slot });
    pending.bytes += batch.length;
    room.took(batch.length);
    const { counters } = this.topic;
    counters.bytesIn += batch.length;
    counters.batchesIn++;
    counters.recordsIn += recordCountOf(batch, 0);
    turn.appended(this);
    return undefined;
  }

  flush(): void {
    const log = this.#log;
    if (log === undefined || this.#isOut()) return;
    try {
      log.flush();
    } catch (error) {
      this.#broken('flush', error);
    }
  }

  release(): void {
    if (this.#state.kind !== 'leader') return;
    this.#shared.pending.bytes -= this.#appends.release(this.highWatermark, this.logStartOffset);
    const segments = this.#served().segmentCount;
    if (segments !== this.#segments) {
      this.#segments = segments;
      this.#shared.rolled();
    }
    if (this.#parked.size === 0) return;
    const woken = this.#parked;
    this.#parked = new Set();
    for (const reader of woken) reader.wake();
  }

  /** Reads whole batches below the high watermark, from memory or with a plan for `readCold`. */
  read(from: Offset, maxBytes: number): LogRead {
    const log = this.#served();
    // What is appended and does not count yet is not out of range: it will be there.
    if (from >= log.durableEnd && from <= log.endOffset) return AT_END;
    return log.read(from, maxBytes, log.durableEnd);
  }

  readCold(plan: ColdRead, done: (error: DiskError | undefined, buffers: Buffer[], nextOffset: Offset) => void): void {
    this.#served().readCold(plan, done);
  }

  /** The first record below the high watermark with at least this timestamp. */
  offsetForTimestamp(
    timestampMs: number,
    done: (error: DiskError | undefined, found: TimestampedOffset | undefined) => void,
  ): void {
    const log = this.#served();
    log.offsetForTimestamp(timestampMs, log.durableEnd, done);
  }

  /** The latest timestamp below the high watermark; -1 without any. */
  maxTimestamp(done: (error: DiskError | undefined, timestampMs: number) => void): void {
    const log = this.#served();
    log.maxTimestamp(log.durableEnd, done);
  }

  /**
   * Deletes the records below an offset (-1: all below the high watermark), durably before it returns.
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
      this.#served().deleteRecords(offset(asked));
      this.#wakeSoon();
    } catch (error) {
      if (error instanceof DiskError && passesByItself(error)) {
        return refusal('KAFKA_STORAGE_ERROR', `the records of ${this.name} cannot be deleted now: ${error.message}`);
      }
      this.#broken('deleting records', error);
    }
    return this.problem(-1) ?? this.logStartOffset;
  }

  /**
   * Removes the segments that the topic's configs do not keep. Only where it leads: there it knows the configs. And
   * forgets idempotent producers that have long been silent.
   */
  retain(nowMs: number): RetentionReport {
    this.#log?.expireProducers(nowMs);
    if (this.#state.kind !== 'leader') return NOTHING;
    const { retentionMs, retentionBytes, segmentMs } = this.topic.settings;
    try {
      const report = this.#served().retain({ nowMs, retentionMs, retentionBytes, segmentMs });
      if (report.segments > 0) this.#wakeSoon();
      return report;
    } catch (error) {
      this.#broken('retention', error);
      return NOTHING;
    }
  }

  /** Begins to read: `ended` is called when the partition is not served here any more. */
  addReader(reader: TailReader): void {
    this.#readers.add(reader);
  }

  removeReader(reader: TailReader): void {
    this.#readers.remove(reader);
    this.#parked.delete(reader);
  }

  /** Wakes the reader once there is more, or may be. */
  park(reader: TailReader): void {
    assert(this.#readers.has(reader), 'a parked reader reads');
    this.#parked.add(reader);
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
    return this.#log?.close(clean && this.#state.kind !== 'offline') ?? true;
  }

  /** Since when, on the monotonic clock, a sync of its log's own file is under way; undefined: none is. */
  get syncingSinceMs(): number | undefined {
    return this.#log?.syncingSinceMs;
  }

  /** Whether a sync of its log is under way. */
  get syncing(): boolean {
    return this.#log?.syncing ?? false;
  }

  /** Answers with the batch that is in the log: together with it, or at the end of this turn when it counts already. */
  #answerAgain({ baseOffset, endOffset }: DuplicateBatch, waiter: AppendWaiter, slot: number): undefined {
    this.#appends.pushDuplicate({ endOffset, baseOffset, waiter, slot });
    if (endOffset <= this.highWatermark) this.#shared.turn.advanced(this);
  }

  /** What readers at the tail are told has changed, and not by an append. */
  #wakeSoon(): void {
    if (this.#parked.size > 0) this.#shared.turn.advanced(this);
  }

  #faulted(error: DiskError, what: LogFault): void {
    switch (what) {
      case 'sync':
        this.#shared.syncFailed(this, error);
        this.goOffline(`a sync of its log failed: ${error.message}`, error);
        return;
      case 'append':
        this.goOffline(`writing its log failed: ${error.message}`, error);
        return;
      case 'read':
        this.goOffline(`reading its log failed: ${error.message}`, error);
        return;
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
    this.#shared.pending.bytes -= this.#appends.fail(why);
    const readers = this.#readers.takeAll();
    this.#parked.clear();
    for (const reader of readers) reader.ended(why);
  }

  #served(): Log {
    assert(this.#log !== undefined, `${this.folder} has no log`);
    return this.#log;
  }

  #unknownTopic(): Refusal {
    return refusal('UNKNOWN_TOPIC_ID', `this broker does not know a topic with the id ${this.key.topicId}`);
  }

  #notLeader(leader: number): Refusal {
    const who = leader === -1 ? 'no broker leads it now' : `broker ${leader} leads it`;
    return refusal('NOT_LEADER_OR_FOLLOWER', `this broker does not lead ${this.name}: ${who}`);
  }

  #epochRefusal(asked: number, current: LeaderEpoch): Refusal {
    return asked < current
      ? refusal('FENCED_LEADER_EPOCH', `${this.name} is in leader epoch ${current}, the request in ${asked}`)
      : refusal('UNKNOWN_LEADER_EPOCH', `${this.name} is in leader epoch ${current} here, the request in ${asked}`);
  }

  #offlineRefusal(reason: string): Refusal {
    return refusal('KAFKA_STORAGE_ERROR', `${this.name} is offline on this broker: ${reason}`);
  }
}

/** A log that waits for room or descriptors holds what it has taken, and takes no more. */
function stuckRefusal(stuck: string | undefined): Refusal | undefined {
  return stuck === undefined ? undefined : refusal('KAFKA_STORAGE_ERROR', `the log cannot be written now: ${stuck}`);
}

const AT_END: LogRead = { kind: 'atEnd' };
const NOTHING: RetentionReport = { segments: 0, bytes: 0 };
