import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { offset } from '@weir/base/ids.ts';
import type { Offset } from '@weir/base/ids.ts';
import { FOLLOWED_PARTITIONS_MAX, REPLICATION_FRAMES_PER_TURN_MAX, WATERMARK_TOLD_MS } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Stream } from '@weir/base/transport.ts';
import type {
  Follow,
  FollowerHello,
  ReplicaPositions,
  ReplicateRequest,
} from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { Divergence, FollowPoint } from '../partition/followership.ts';
import { Partition } from '../partition/partition.ts';
import type { ColdGate } from '../rpc/cold-gate.ts';
import { FollowerSubscription } from './follower-subscription.ts';
import type { FollowerSubscriptionOwner } from './follower-subscription.ts';
import type { IsrMember } from './in-sync-replicas.ts';
import type { ReplicateFrame } from './replicate-frame.ts';
import type { ReplicationServerParts } from './replication-server.ts';

/** Of a frame that brings no data. */
const NOTHING = { producers: undefined, records: [] };

/** One follower's stream. Its subscriptions send in turns, a frame each, while there are credit and room. */
export class FollowerStream implements FollowerSubscriptionOwner {
  readonly coldGate: ColdGate;
  readonly slabs: Slabs;
  readonly #stream: Stream<ReplicateFrame>;
  readonly #parts: ReplicationServerParts;
  /** Who follows, once it has said so. */
  #follower: IsrMember | undefined;
  #isCatchingUp = false;
  #credit = 0;
  readonly #subscriptions = new Map<bigint, FollowerSubscription>();
  readonly #ready = new Set<FollowerSubscription>();
  #marksDue = new Set<FollowerSubscription>();
  #cancelMarks: Cancel | undefined;
  #cancelThrottled: Cancel | undefined;
  #isFull = false;
  #isOpen = true;
  readonly #pump = (): void => this.#send();

  constructor(stream: Stream<ReplicateFrame>, parts: ReplicationServerParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.coldGate = parts.coldGate;
    this.slabs = parts.slabs;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  take({ request }: ReplicateRequest): void {
    if (!this.#isOpen) return;
    switch (request.case) {
      case 'hello':
        return this.#hello(request.value);
      case 'follow':
        return this.#follow(request.value);
      case 'positions':
        return this.#positions(request.value);
      case 'unfollow':
        return this.#remove(request.value.subscription);
      case undefined:
        return this.#abort(
          'a replication request says hello, follows, tells positions or unfollows; this one does none',
        );
    }
  }

  drained(): void {
    this.#isFull = false;
    this.#sendSoon();
  }

  ready(subscription: FollowerSubscription): void {
    this.#ready.add(subscription);
    this.#sendSoon();
  }

  marksDue(subscription: FollowerSubscription): void {
    this.#marksDue.add(subscription);
    this.#cancelMarks ??= this.#parts.clock.after(WATERMARK_TOLD_MS, () => {
      this.#cancelMarks = undefined;
      const due = this.#marksDue;
      this.#marksDue = new Set();
      for (const one of due) one.tellMarks();
    });
  }

  frame(subscription: FollowerSubscription, records: readonly Buffer[], producers: Buffer | undefined): void {
    let bytes = 0;
    for (const part of records) bytes += part.length;
    this.#credit -= bytes;
    this.#parts.counters.bytesOut += bytes;
    this.#write(subscription, { errorCode: 0, message: '', divergence: undefined, producers, records });
  }

  reserved(bytes: number): void {
    if (this.#isCatchingUp) this.#parts.throttle.spend(bytes);
  }

  over(subscription: FollowerSubscription, why: Refusal): void {
    this.#forget(subscription);
    const refused = { errorCode: ERRORS[why.code].number, message: why.message };
    this.#write(subscription, { ...refused, ...NOTHING, divergence: undefined });
  }

  /** Ends its subscriptions with the reason, and then itself. */
  stop(why: Refusal): void {
    for (const subscription of this.#subscriptions.values()) subscription.ended(why);
    this.close();
    this.#stream.end();
  }

  close(): void {
    this.#isOpen = false;
    this.#cancelMarks?.();
    this.#cancelThrottled?.();
    for (const subscription of this.#subscriptions.values()) {
      subscription.close();
      this.#forget(subscription);
    }
  }

  #hello({ clusterId, brokerId: broker, brokerEpoch, isCatchingUp, creditBytes }: FollowerHello): void {
    if (this.#follower !== undefined) return this.#abort('a stream says hello once');
    const here = this.#parts.clusterId();
    if (clusterId !== here) return this.#abort(`this broker belongs to cluster ${here}, the follower to ${clusterId}`);
    this.#follower = { broker, epoch: Number(brokerEpoch) };
    this.#isCatchingUp = isCatchingUp;
    this.#credit = Number(creditBytes);
  }

  #follow(wanted: Follow): void {
    const follower = this.#follower;
    if (follower === undefined) return this.#abort('a stream says hello first');
    const id = wanted.subscription;
    if (this.#subscriptions.has(id)) return this.#abort(`subscription ${id} is there already`);
    const partition = this.#admit(wanted, follower);
    if (!(partition instanceof Partition)) return this.#refuse(id, partition);
    const point = { endOffset: offset(Number(wanted.endOffset)), lastEpoch: wanted.lastEpoch };
    const { logStartOffset } = partition;
    const leadership = partition.leadership!;
    if (endsBefore(point, logStartOffset, leadership.replicas.isInSync(follower))) {
      const why = refusal('OFFSET_OUT_OF_RANGE', `${partition.name} begins at ${logStartOffset}`);
      return this.#refuse(id, why, { logStartOffset, producers: leadership.producersBelow(logStartOffset) });
    }
    const divergence = leadership.divergenceFrom(point);
    if (divergence !== undefined) return this.#diverge(id, partition, divergence);
    const from = point.endOffset;
    // Without a record it knows nothing of those that were deleted, which an idempotent producer may repeat.
    const producers = point.lastEpoch === -1 ? leadership.producersBelow(from) : undefined;
    const subscription = new FollowerSubscription({ id, partition, leadership, from, producers }, this);
    this.#subscriptions.set(id, subscription);
    if (!partition.followerBegins(follower, id, subscription, from)) {
      subscription.ended(refusal('INVALID_REQUEST', `broker ${follower.broker} has begun to follow anew since`));
    }
  }

  #admit(wanted: Follow, follower: IsrMember): Partition | Refusal {
    if (this.#subscriptions.size >= FOLLOWED_PARTITIONS_MAX) {
      return refusal('POLICY_VIOLATION', `a stream follows at most ${FOLLOWED_PARTITIONS_MAX} partitions`);
    }
    const known = this.#parts.epochOf(follower.broker);
    if (known !== follower.epoch) {
      const here = known === undefined ? 'is away' : `has the epoch ${known}`;
      return refusal('STALE_BROKER_EPOCH', `broker ${follower.broker} ${here} here, and follows in ${follower.epoch}`);
    }
    const { topicId, partition: index, leaderEpoch, endOffset, lastEpoch } = wanted;
    // A follower always knows the epoch in which it follows; -1 would be served in any.
    if (leaderEpoch < 0) return refusal('INVALID_REQUEST', 'who follows names the leader epoch');
    const partition = this.#parts.partitions.serving(topicId, index, leaderEpoch);
    if (!(partition instanceof Partition)) return partition;
    if (!partition.leadership!.replicas.hasReplica(follower.broker)) {
      return refusal('INVALID_REQUEST', `broker ${follower.broker} has no replica of ${partition.name}`);
    }
    const end = Number(endOffset);
    if (!Number.isSafeInteger(end) || end < 0 || lastEpoch < -1) {
      return refusal('INVALID_REQUEST', `a log does not end at ${endOffset} in epoch ${lastEpoch}`);
    }
    return partition;
  }

  #positions({ positions, creditBytes }: ReplicaPositions): void {
    for (const { subscription: id, durableEnd, logStartOffset } of positions) {
      const subscription = this.#subscriptions.get(id);
      // It crossed the frame that said that it is over.
      if (subscription === undefined) continue;
      const [start, end] = [Number(logStartOffset), Number(durableEnd)];
      const { partition, leadership } = subscription;
      if (!Number.isSafeInteger(end) || end > leadership.endOffset) {
        return this.#abort(`${partition.name} ends at ${leadership.endOffset}, and is not held up to ${durableEnd}`);
      }
      if (start < 0 || start > end) {
        return this.#abort(`a log of ${partition.name} does not begin at ${logStartOffset} and end at ${durableEnd}`);
      }
      const held = { logStart: offset(start), durableEnd: offset(end) };
      partition.followerMoved(this.#follower!.broker, subscription, held);
    }
    this.#credit += Number(creditBytes);
    this.#sendSoon();
  }

  #remove(id: bigint): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    subscription.close();
    this.#forget(subscription);
  }

  #forget(subscription: FollowerSubscription): void {
    this.#subscriptions.delete(subscription.id);
    this.#ready.delete(subscription);
    this.#marksDue.delete(subscription);
    if (this.#follower !== undefined) subscription.leadership.replicas.ended(this.#follower.broker, subscription);
  }

  #diverge(subscription: bigint, partition: Partition, divergence: Divergence): void {
    const { highWatermark, logStartOffset } = partition;
    this.#queue({ subscription, errorCode: 0, message: '', highWatermark, logStartOffset, divergence, ...NOTHING });
  }

  #refuse(
    subscription: bigint,
    { code, message }: Refusal,
    {
      logStartOffset = 0,
      producers,
    }: { readonly logStartOffset?: number; readonly producers?: Buffer | undefined } = {},
  ): void {
    this.#queue({
      subscription,
      errorCode: ERRORS[code].number,
      message,
      highWatermark: 0,
      logStartOffset,
      divergence: undefined,
      records: [],
      producers,
    });
  }

  #write(
    { id, partition }: FollowerSubscription,
    frame: Pick<ReplicateFrame, 'errorCode' | 'message' | 'divergence' | 'producers' | 'records'>,
  ): void {
    const { highWatermark, logStartOffset } = partition;
    this.#queue({ subscription: id, highWatermark, logStartOffset, ...frame });
  }

  #queue(frame: ReplicateFrame): void {
    if (!this.#stream.send(frame)) this.#isFull = true;
  }

  #abort(message: string): void {
    if (!this.#isOpen) return;
    this.close();
    this.#stream.abort({ kind: 'refused', code: 'INVALID_REQUEST', message });
  }

  #sendSoon(): void {
    if (this.#ready.size > 0 && !this.#isFull) this.#parts.turn.sendFirst(this.#pump);
  }

  /** A frame for each in turn. One that goes on is at the end of the queue again. */
  #send(): void {
    let frames = 0;
    for (const subscription of this.#ready) {
      if (this.#isFull || !this.#isOpen || this.#credit <= 0) return;
      if (this.#isCatchingUp && this.#isThrottled()) return;
      if (frames >= REPLICATION_FRAMES_PER_TURN_MAX) return this.#sendSoon();
      this.#ready.delete(subscription);
      subscription.step(this.#isCatchingUp ? Math.min(this.#credit, this.#parts.throttle.sliceBytes) : this.#credit);
      frames++;
    }
  }

  /** True: it goes on by itself when the throttle lets it. */
  #isThrottled(): boolean {
    const { clock, throttle } = this.#parts;
    const waitMs = throttle.waitMs(clock.monotonicMs());
    if (waitMs <= 0) return false;
    this.#cancelThrottled ??= clock.after(waitMs, () => {
      this.#cancelThrottled = undefined;
      this.#sendSoon();
    });
    return true;
  }
}

/**
 * Whether all that a follower has lies before the start of its leader's log. What ended right there once, nobody knows any more: unless
 * it is in sync its last record may be another one than was committed, and what it remembers of producers may be of that.
 */
function endsBefore({ endOffset, lastEpoch }: FollowPoint, leaderStart: Offset, isInSync: boolean): boolean {
  return endOffset < leaderStart || (endOffset === leaderStart && lastEpoch !== -1 && !isInSync);
}
