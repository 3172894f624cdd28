import type { Refusal } from '@weir/base/errors.ts';
import type { LeaderEpoch, Offset } from '@weir/base/ids.ts';
import type { Log } from '@weir/log/log.ts';
import type { LogRead } from '@weir/log/log-read.ts';
import { encodeSnapshot } from '@weir/log/producers/producer-snapshot.ts';
import type { InSyncReplicas } from '../replication/in-sync-replicas.ts';
import { AppendQueue } from './append-queue.ts';
import type { AppendWaiter } from './append-queue.ts';
import type { Divergence } from './followership.ts';
import { notEnoughReplicas, notEnoughReplicasAfterAppend } from './refusals.ts';

/** When an append is answered: once all in-sync replicas have it durably, or once the leader has. */
export type Acks = 'all' | 'leader';

/** A follower that reads what is appended here, through its stream. */
export interface FollowerReader {
  /** There may be more for it. Called once for each `park`. */
  wake(): void;
  /** The high watermark or the log's start has moved. */
  marksMoved(): void;
  /** The partition is not led here any more, or not in that epoch. */
  ended(why: Refusal): void;
}

/** A batch that was appended and is to be answered. */
interface Appended {
  readonly baseOffset: Offset;
  readonly endOffset: Offset;
  readonly bytes: number;
  readonly waiter: AppendWaiter;
  readonly slot: number;
}

/** Records that were deleted here, and those who wait for the other replicas. */
interface Deletion {
  readonly before: Offset;
  readonly done: (why: Refusal | undefined) => void;
}

/** What a partition has as its leader, for one leader epoch: its replicas, who waits for them, and who follows. */
export class Leadership {
  readonly epoch: LeaderEpoch;
  /** The log's end when the epoch began: all that was committed before lies below it. */
  readonly epochStart: Offset;
  readonly replicas: InSyncReplicas;
  readonly #waiting: Readonly<Record<Acks, AppendQueue>>;
  readonly #followers = new Set<FollowerReader>();
  /** Who waits until replicas have deleted records as well. */
  readonly #deletions: Set<Deletion>;
  #parked = new Set<FollowerReader>();
  /** What they want is appended, and neither in memory any more nor durable yet. */
  #starved = new Set<FollowerReader>();
  readonly #log: Log;

  /**
   * @param log - in which the epoch has just begun
   * @param previous - the same broker's in an earlier epoch: what it has taken is in this one's log as well
   */
  constructor(log: Log, epoch: LeaderEpoch, replicas: InSyncReplicas, previous: Leadership | undefined) {
    this.#log = log;
    this.epoch = epoch;
    this.epochStart = log.endOffset;
    this.replicas = replicas;
    this.#waiting = previous === undefined ? { all: new AppendQueue(), leader: new AppendQueue() } : previous.#waiting;
    this.#deletions = previous === undefined ? new Set() : previous.#deletions;
    replicas.logStart = log.startOffset;
  }

  /** One past the last record, committed or not. */
  get endOffset(): Offset {
    return this.#log.endOffset;
  }

  /** Where the log stops to say what a follower's says; undefined: it says all of it. */
  divergenceFrom({
    endOffset,
    lastEpoch,
  }: {
    readonly endOffset: number;
    readonly lastEpoch: number;
  }): Divergence | undefined {
    const log = this.#log;
    if (lastEpoch === -1) return endOffset > log.endOffset ? { epoch: -1, endOffset: -1 } : undefined;
    const end = log.epochEnd(lastEpoch);
    return end.epoch === lastEpoch && end.endOffset >= endOffset ? undefined : end;
  }

  /** What is remembered of idempotent producers below an offset, as a snapshot of that; undefined for nothing. */
  producersBelow(end: Offset): Buffer | undefined {
    const producers = this.#log.producersBelow(end);
    return producers.size === 0 ? undefined : encodeSnapshot(end, producers);
  }

  /** Reads all that there is for a follower: what is not durable here may be so there before. */
  read(from: Offset, maxBytes: number): LogRead {
    return this.#log.read(from, maxBytes, this.#log.endOffset, 'batches');
  }

  /** Why a write with acks=all is not taken, or undefined when it is. */
  problem(name: string, acks: Acks): Refusal | undefined {
    const { isEnough, isr, minInSync } = this.replicas;
    return acks === 'leader' || isEnough ? undefined : notEnoughReplicas(name, isr.length, minInSync);
  }

  push(appended: Appended, acks: Acks): void {
    this.#waiting[acks].push(appended);
    if (this.#parked.size > 0) this.#wakeFollowers();
  }

  /** A batch that is in the log already: answered with, or like, the one that was appended. */
  pushDuplicate(duplicate: Omit<Appended, 'bytes'>, acks: Acks): void {
    this.#waiting[acks].pushDuplicate(duplicate);
  }

  /** Answers whoever need not wait any more; tells how many bytes they were. */
  release(at: { readonly durableEnd: Offset; readonly highWatermark: Offset; readonly logStart: Offset }): number {
    const { all, leader } = this.#waiting;
    if (this.#starved.size > 0) this.#wakeStarved();
    if (this.#deletions.size > 0) this.#settleDeletions();
    return all.release(at.highWatermark, at.logStart) + leader.release(at.durableEnd, at.logStart);
  }

  /**
   * Calls back once every replica that may lead next has deleted the records below an offset, as this log has; with a refusal when it
   * does not lead any more.
   *
   * @returns what ends the wait: then nobody is called
   */
  whenDeleted(before: Offset, done: (why: Refusal | undefined) => void): () => void {
    const deletion: Deletion = { before, done };
    this.#deletions.add(deletion);
    return () => void this.#deletions.delete(deletion);
  }

  /** The ISR has become too small: who waits for it is told; tells how many bytes they were. */
  failUncommitted(name: string): number {
    const { isEnough, isr, minInSync } = this.replicas;
    return isEnough ? 0 : this.#waiting.all.fail(notEnoughReplicasAfterAppend(name, isr.length, minInSync));
  }

  /** Answers all that wait, and ends those who follow, with a reason; tells how many bytes waited. */
  end(why: Refusal): number {
    const bytes = this.#waiting.all.fail(why) + this.#waiting.leader.fail(why);
    for (const deletion of this.#deletions) this.#settle(deletion, why);
    this.endFollowers(why);
    return bytes;
  }

  /** Ends those who follow: in another epoch they follow anew. */
  endFollowers(why: Refusal): void {
    const followers = [...this.#followers];
    this.#followers.clear();
    this.#parked.clear();
    this.#starved.clear();
    for (const follower of followers) follower.ended(why);
  }

  addFollower(follower: FollowerReader): void {
    this.#followers.add(follower);
  }

  removeFollower(follower: FollowerReader): void {
    this.#followers.delete(follower);
    this.#parked.delete(follower);
    this.#starved.delete(follower);
  }

  /**
   * Wakes a follower that has read up to an offset at the next append: before that is written here, as both disks can be at work at
   * once. One that is not at the end is woken when more is durable, and can be read from the disk.
   */
  park(follower: FollowerReader, next: Offset): void {
    (next < this.endOffset ? this.#starved : this.#parked).add(follower);
  }

  tellMarks(): void {
    for (const follower of this.#followers) follower.marksMoved();
  }

  /** The log's start may have moved: followers are told, and none joins that has not deleted as much. */
  startMoved(): void {
    const { startOffset } = this.#log;
    if (this.replicas.logStart === startOffset) return;
    this.replicas.logStart = startOffset;
    this.tellMarks();
  }

  #settleDeletions(): void {
    const below = this.replicas.deletedBelow;
    for (const deletion of this.#deletions) if (deletion.before <= below) this.#settle(deletion, undefined);
  }

  #settle(deletion: Deletion, why: Refusal | undefined): void {
    this.#deletions.delete(deletion);
    deletion.done(why);
  }

  #wakeFollowers(): void {
    const woken = this.#parked;
    this.#parked = new Set();
    for (const follower of woken) follower.wake();
  }

  #wakeStarved(): void {
    const woken = this.#starved;
    this.#starved = new Set();
    for (const follower of woken) follower.wake();
  }
}
