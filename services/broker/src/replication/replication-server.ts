import type { Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream } from '@weir/base/transport.ts';
import type { Handler, Stream, StreamHandlers } from '@weir/base/transport.ts';
import type { ReplicateRequest } from '@weir/proto/weir/broker/v1/replication_pb.js';
import type { Partitions } from '../partition/partitions.ts';
import type { Turn } from '../partition/turn.ts';
import type { ColdGate } from '../rpc/cold-gate.ts';
import { FollowerStream } from './follower-stream.ts';
import { REPLICATE } from './replicate-frame.ts';
import type { ReplicateFrame } from './replicate-frame.ts';
import type { ReplicationCounters } from './replication-metrics.ts';
import type { CatchUpThrottle } from './catch-up-throttle.ts';

/** What a leader needs to be followed. */
export interface ReplicationServerParts {
  readonly clock: Clock;
  readonly partitions: Partitions;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly coldGate: ColdGate;
  readonly throttle: CatchUpThrottle;
  /** Whom the metadata knows, by its broker epoch; undefined: nobody, or one that is away. */
  readonly epochOf: (broker: number) => number | undefined;
  readonly clusterId: () => string;
  readonly counters: ReplicationCounters;
}

/** The leader's side of replication: the streams of all followers. */
export class ReplicationServer {
  readonly handler: Handler;
  readonly #parts: ReplicationServerParts;
  readonly #streams = new Set<FollowerStream>();
  #isStopping = false;

  constructor(parts: ReplicationServerParts) {
    this.#parts = parts;
    this.handler = onBulkStream<ReplicateRequest, ReplicateFrame>(REPLICATE, parts.slabs, (stream) =>
      this.#accept(stream),
    );
  }

  /** Partitions that are followed here, counted once a follower. */
  get subscriptions(): number {
    let count = 0;
    for (const stream of this.#streams) count += stream.size;
    return count;
  }

  /** Ends all subscriptions with the reason, and all streams. */
  stop(why: Refusal): void {
    this.#isStopping = true;
    for (const stream of this.#streams) stream.stop(why);
    this.#streams.clear();
  }

  #accept(stream: Stream<ReplicateFrame>): StreamHandlers<ReplicateRequest> {
    const follower = new FollowerStream(stream, this.#parts);
    if (this.#isStopping) follower.stop(refusal('SHUTTING_DOWN', 'this broker is shutting down'));
    else this.#streams.add(follower);
    return {
      message: (request) => follower.take(request),
      drained: () => follower.drained(),
      closed: () => {
        this.#streams.delete(follower);
        follower.close();
      },
    };
  }
}
