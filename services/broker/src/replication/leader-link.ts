import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { errorCodeOf, refusal } from '@weir/base/errors.ts';
import { offset, uuidToBytes } from '@weir/base/ids.ts';
import { FOLLOW_RETRY_MS_MAX, FOLLOW_RETRY_MS_MIN, REPLICATION_CREDIT_BYTES } from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Connection, Stream, Transport } from '@weir/base/transport.ts';
import { ReplicateRequestSchema } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { ReplicateRequest } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { Logger } from '@weir/runtime/world.ts';
import type { Turn } from '../partition/turn.ts';
import type { FollowedPartition } from './followed-partition.ts';
import { REPLICATE } from './replicate-frame.ts';
import type { ReplicateFrame } from './replicate-frame.ts';
import type { ReplicationCounters } from './replication-metrics.ts';

/** What a follower's links need. */
export interface LeaderLinkParts {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly logger: Logger;
  /** Who follows; undefined while this broker is not registered: then nobody is followed. */
  readonly hello: () =>
    | { readonly clusterId: string; readonly brokerId: number; readonly brokerEpoch: number }
    | undefined;
  /** host:port of a broker's replication listener; undefined: it has none that is known. */
  readonly addressOf: (broker: number) => string | undefined;
  /** Subscriptions are counted up over all links, so that a leader tells a late one from the newest. */
  readonly nextSubscription: () => bigint;
  readonly counters: ReplicationCounters;
}

/** For replicas that are in sync, and for those that are behind. */
export type LinkKind = 'inSync' | 'catchingUp';

/** A follower's stream to one leader, made again whenever it breaks, for as long as there is something to follow on it. */
export class LeaderLink {
  readonly leader: number;
  readonly kind: LinkKind;
  readonly #parts: LeaderLinkParts;
  readonly #followed = new Set<FollowedPartition>();
  readonly #bySubscription = new Map<bigint, FollowedPartition>();
  readonly #moved = new Set<FollowedPartition>();
  #connection: Connection | undefined;
  #address: string | undefined;
  #stream: Stream<ReplicateRequest> | undefined;
  /** Taken and durable, or dropped, since credit was given back last. */
  #creditDue = 0;
  #retryMs = FOLLOW_RETRY_MS_MIN;
  #cancelRetry: Cancel | undefined;
  readonly #pump = (): void => this.#tellPositions();

  constructor(leader: number, kind: LinkKind, parts: LeaderLinkParts) {
    this.leader = leader;
    this.kind = kind;
    this.#parts = parts;
  }

  get size(): number {
    return this.#followed.size;
  }

  add(followed: FollowedPartition): void {
    this.#followed.add(followed);
    if (this.#stream === undefined) this.#openSoon();
    else this.#follow(followed);
  }

  remove(followed: FollowedPartition): void {
    this.#unfollow(followed);
    this.#followed.delete(followed);
    followed.close();
    if (this.#followed.size === 0) this.reset();
  }

  /** More of it is durable. */
  isDurable(followed: FollowedPartition): void {
    if (followed.subscription === undefined) {
      // What it had taken before was not durable: now it can go on.
      if (this.#stream !== undefined && !followed.isPostponed) this.#follow(followed);
      return;
    }
    this.#creditDue += followed.settle();
    const hasStart = followed.partition.followStart();
    // It may have gone offline over it.
    if (!this.#followed.has(followed)) return;
    this.#tellSoon(followed);
    if (hasStart) return;
    this.#unfollow(followed);
    this.#postpone(followed);
  }

  /** The metadata may say something else of the leader: it is sought where it is now, and at once if it was not there. */
  leaderMayHaveMoved(): void {
    const address = this.#parts.addressOf(this.leader);
    if (address !== undefined && (this.#stream === undefined || address !== this.#address)) this.reset();
  }

  /** Who follows, or where the leader is, has changed, or nothing is to be followed any more: it begins anew. */
  reset(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#stream?.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'the follower begins anew' });
    this.#closed();
    this.#retryMs = FOLLOW_RETRY_MS_MIN;
    if (this.#followed.size > 0) this.#openSoon();
  }

  /** After the turn: what else is to be followed is known then. */
  #openSoon(): void {
    this.#cancelRetry ??= this.#parts.clock.after(0, () => {
      this.#cancelRetry = undefined;
      this.#open();
    });
  }

  #open(): void {
    const { transport, slabs, hello, addressOf } = this.#parts;
    if (this.#stream !== undefined || this.#followed.size === 0) return;
    const address = addressOf(this.leader);
    const who = hello();
    if (address === undefined || who === undefined) return this.#retryLater();
    const connection = transport.connect(address);
    this.#connection = connection;
    this.#address = address;
    const stream = connection.openBulk(REPLICATE, slabs, {
      message: (frame) => {
        if (this.#stream === stream) this.#take(frame);
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#stream !== stream) return;
        this.#closed();
        this.#parts.logger.debug({ leader: this.leader, failure }, `replication from broker ${this.leader} broke off`);
        this.#retryLater();
      },
    });
    this.#stream = stream;
    const isCatchingUp = this.kind === 'catchingUp';
    this.#send({
      case: 'hello',
      value: {
        ...who,
        brokerEpoch: BigInt(who.brokerEpoch),
        isCatchingUp,
        creditBytes: BigInt(REPLICATION_CREDIT_BYTES),
      },
    });
    for (const followed of this.#followed) if (!followed.isPostponed) this.#follow(followed);
  }

  #retryLater(): void {
    if (this.#followed.size === 0) return;
    this.#cancelRetry ??= this.#parts.clock.after(this.#retryMs, () => {
      this.#cancelRetry = undefined;
      this.#open();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, FOLLOW_RETRY_MS_MAX);
  }

  /** The stream is over: nothing that comes for it means anything, and no credit is owed. */
  #closed(): void {
    this.#stream = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    this.#creditDue = 0;
    this.#moved.clear();
    this.#bySubscription.clear();
    for (const followed of this.#followed) followed.ends();
  }

  #follow(followed: FollowedPartition): void {
    const { partition, leaderEpoch } = followed;
    const point = partition.asFollower('following', (followership) => followership.point(), undefined);
    if (point === undefined) return this.#postpone(followed);
    const subscription = this.#parts.nextSubscription();
    followed.begins(subscription, point.endOffset);
    this.#bySubscription.set(subscription, followed);
    this.#send({
      case: 'follow',
      value: {
        subscription,
        topicId: uuidToBytes(partition.key.topicId),
        partition: partition.key.index,
        leaderEpoch,
        endOffset: BigInt(point.endOffset),
        lastEpoch: point.lastEpoch,
      },
    });
  }

  /** Follows it after a while, unless it becomes durable before, or somebody takes it away. */
  #postpone(followed: FollowedPartition): void {
    followed.postpone(this.#parts.clock, () => {
      if (this.#stream !== undefined && followed.subscription === undefined) this.#follow(followed);
    });
  }

  #unfollow(followed: FollowedPartition): void {
    const { subscription } = followed;
    if (subscription === undefined) return;
    this.#bySubscription.delete(subscription);
    this.#moved.delete(followed);
    this.#giveBack(followed.ends());
    this.#send({ case: 'unfollow', value: { subscription } });
  }

  #take(frame: ReplicateFrame): void {
    this.#retryMs = FOLLOW_RETRY_MS_MIN;
    const records = frame.records[0] ?? NO_RECORDS;
    this.#parts.counters.bytesIn += records.length;
    const followed = this.#bySubscription.get(frame.subscription);
    // Of a subscription that was given up: only what it cost counts.
    if (followed === undefined) return this.#giveBack(records.length);
    if (frame.divergence !== undefined) return this.#cut(followed, frame);
    if (frame.errorCode !== 0) return this.#refused(followed, frame);
    const { partition } = followed;
    const { highWatermark, logStartOffset } = frame;
    const producers = frame.producers === undefined ? undefined : asBuffer(frame.producers);
    const problem = partition.asFollower(
      'appending what its leader sent',
      (followership) =>
        followership.take({ records: asBuffer(records), producers, highWatermark, logStartOffset }, this.#parts.slabs),
      NOT_TAKEN,
    );
    if (problem === undefined) {
      followed.took(partition.endOffset, records.length);
      // Its log may begin later now, though no more of it becomes durable.
      if (records.length === 0) this.#tellSoon(followed);
      return;
    }
    this.#giveBack(records.length);
    // It may have gone offline over it.
    if (!this.#followed.has(followed)) return;
    const { leader } = this;
    if (problem !== NOT_TAKEN) {
      this.#parts.counters.refused(problem.code);
      this.#parts.logger.warn({ leader }, `${problem.message}: it is asked for again`);
    }
    this.#unfollow(followed);
    this.#postpone(followed);
  }

  #cut(followed: FollowedPartition, { divergence, logStartOffset }: ReplicateFrame): void {
    this.#over(followed);
    const { partition } = followed;
    const from = partition.endOffset;
    const isCut = partition.asFollower(
      'cutting its log',
      (followership) => {
        followership.cut(divergence!, offset(logStartOffset));
        return true;
      },
      false,
    );
    if (!this.#followed.has(followed)) return;
    if (!isCut) return this.#postpone(followed);
    const { leader } = this;
    const to = partition.endOffset;
    this.#parts.counters.truncated('diverged', Math.max(0, from - to));
    this.#parts.logger.info(
      { leader, from, to },
      `${partition.name} is cut to ${to}: its leader's log says something else`,
    );
    this.#follow(followed);
  }

  #refused(followed: FollowedPartition, { errorCode, message, logStartOffset, producers }: ReplicateFrame): void {
    const code = errorCodeOf(errorCode);
    const { partition } = followed;
    this.#over(followed);
    this.#parts.counters.refused(code);
    this.#parts.logger.debug({ leader: this.leader, code }, `${partition.name} cannot be followed: ${message}`);
    if (code === 'OFFSET_OUT_OF_RANGE' && logStartOffset >= partition.endOffset) {
      const records = partition.endOffset - partition.logStartOffset;
      const isAnew = partition.asFollower(
        'beginning anew',
        (followership) => {
          followership.restart(offset(logStartOffset), producers === undefined ? undefined : asBuffer(producers));
          return true;
        },
        false,
      );
      if (isAnew) this.#parts.counters.truncated('outOfRange', records);
    }
    if (this.#followed.has(followed)) this.#postpone(followed);
  }

  /** The leader has ended the subscription. */
  #over(followed: FollowedPartition): void {
    if (followed.subscription !== undefined) this.#bySubscription.delete(followed.subscription);
    this.#moved.delete(followed);
    this.#giveBack(followed.ends());
  }

  #giveBack(bytes: number): void {
    if (bytes === 0) return;
    this.#creditDue += bytes;
    this.#parts.turn.send(this.#pump);
  }

  #tellSoon(followed: FollowedPartition): void {
    this.#moved.add(followed);
    this.#parts.turn.send(this.#pump);
  }

  #tellPositions(): void {
    const creditBytes = BigInt(this.#creditDue);
    const positions = [...this.#moved].flatMap((followed) => {
      const { subscription } = followed;
      const held = followed.tell();
      if (subscription === undefined || held === undefined) return [];
      return [{ subscription, durableEnd: BigInt(held.durableEnd), logStartOffset: BigInt(held.logStart) }];
    });
    this.#moved.clear();
    if (this.#stream === undefined || (positions.length === 0 && creditBytes === 0n)) return;
    this.#creditDue = 0;
    this.#send({ case: 'positions', value: { positions, creditBytes } });
  }

  #send(request: Exclude<MessageInitShape<typeof ReplicateRequestSchema>['request'], undefined>): void {
    this.#stream?.send(create(ReplicateRequestSchema, { request }));
  }
}

const NO_RECORDS = Buffer.alloc(0);
/** It is tried again, or the partition has gone offline and has said why. */
const NOT_TAKEN = refusal('KAFKA_STORAGE_ERROR', 'the log did not take it');

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
