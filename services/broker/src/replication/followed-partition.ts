import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { Offset } from '@weir/base/ids.ts';
import { FOLLOW_RETRY_MS_MAX, FOLLOW_RETRY_MS_MIN } from '@weir/base/limits.ts';
import type { Partition } from '../partition/partition.ts';
import type { HeldRange } from './in-sync-replicas.ts';

/** One partition that is followed, on one link: its subscription, and what of it is not durable yet. */
export class FollowedPartition {
  readonly partition: Partition;
  /** The epoch in which it follows. */
  readonly leaderEpoch: number;
  #subscription: bigint | undefined;
  /** What the leader was told last to be durable here. */
  #toldEnd = -1;
  #toldStart = 0;
  /** What was taken and is not durable: each frame's end and bytes, in order. */
  #taken: { readonly endOffset: Offset; readonly bytes: number }[] = [];
  #retryMs = FOLLOW_RETRY_MS_MIN;
  #cancelRetry: Cancel | undefined;

  constructor(partition: Partition, leaderEpoch: number) {
    this.partition = partition;
    this.leaderEpoch = leaderEpoch;
  }

  /** Its number on the stream; undefined: it has none now. */
  get subscription(): bigint | undefined {
    return this.#subscription;
  }

  /** It waits before it is tried again. */
  get isPostponed(): boolean {
    return this.#cancelRetry !== undefined;
  }

  begins(subscription: bigint, from: Offset): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#subscription = subscription;
    this.#toldEnd = from;
    this.#toldStart = 0;
  }

  /** The subscription is over. @returns the bytes of what was taken and not durable: nobody waits for them any more */
  ends(): number {
    this.#subscription = undefined;
    let bytes = 0;
    for (const frame of this.#taken) bytes += frame.bytes;
    this.#taken = [];
    return bytes;
  }

  took(endOffset: Offset, bytes: number): void {
    this.#retryMs = FOLLOW_RETRY_MS_MIN;
    if (bytes > 0) this.#taken.push({ endOffset, bytes });
  }

  /** @returns the bytes of what has become durable */
  settle(): number {
    const durableEnd = this.partition.durableEnd;
    const durable = this.#taken.findIndex(({ endOffset }) => endOffset > durableEnd);
    const settled = this.#taken.splice(0, durable === -1 ? this.#taken.length : durable);
    return settled.reduce((bytes, frame) => bytes + frame.bytes, 0);
  }

  /** What is durable here; undefined: the leader was told that already. */
  tell(): HeldRange | undefined {
    const { durableEnd, logStartOffset: logStart } = this.partition;
    if (durableEnd <= this.#toldEnd && logStart <= this.#toldStart) return undefined;
    this.#toldEnd = durableEnd;
    this.#toldStart = logStart;
    return { logStart, durableEnd };
  }

  /** Tries again after a while, which doubles. */
  postpone(clock: Pick<Clock, 'after'>, again: () => void): void {
    this.#cancelRetry?.();
    this.#cancelRetry = clock.after(this.#retryMs, () => {
      this.#cancelRetry = undefined;
      again();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, FOLLOW_RETRY_MS_MAX);
  }

  /** It is not followed here any more. */
  close(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }
}
