import type { Clock } from '@weir/base/clock.ts';
import type { RetentionReport } from '@weir/log/retention.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { DiskRoom } from './disk-room.ts';
import type { BrokerMetrics } from './metrics.ts';
import { Compactor } from './partition/compactor.ts';
import type { CompactionDone } from './partition/compactor.ts';
import type { Partition } from './partition/partition.ts';
import { Retention } from './partition/retention.ts';

/** What the upkeep of logs needs. */
export interface LogUpkeepParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: BrokerMetrics;
  readonly partitions: () => Iterable<Partition>;
  readonly room: DiskRoom;
  readonly compactionMapBytes: number;
}

/** What a broker does for its logs now and then, and what it says of that: retention and compaction. */
export class LogUpkeep {
  readonly #parts: LogUpkeepParts;
  readonly #retention: Retention;
  readonly #compactor: Compactor;

  constructor(parts: LogUpkeepParts) {
    const { clock, partitions, room, compactionMapBytes: mapBytes } = parts;
    this.#parts = parts;
    this.#retention = new Retention({
      clock,
      partitions,
      removed: (partition, report) => this.#retained(partition, report),
    });
    this.#compactor = new Compactor({
      clock,
      partitions,
      mapBytes,
      hasRoom: (bytes) => room.hasRoom(bytes),
      compacted: (partition, done, durationMs) => this.#compacted(partition, done, durationMs),
      failed: (partition, error) => this.#failed(partition, error),
    });
  }

  /** See `Compactor.dirtyRatioMax`. */
  get dirtyRatioMax(): number {
    return this.#compactor.dirtyRatioMax;
  }

  /** Looks at once whether there is something to be done. */
  look(): void {
    this.#retention.look();
    this.#compactor.look();
  }

  start(): void {
    this.#retention.start();
    this.#compactor.start();
  }

  stop(): void {
    this.#retention.stop();
    this.#compactor.stop();
  }

  #retained(partition: Partition, { segments, bytes }: RetentionReport): void {
    this.#parts.metrics.retained(segments, bytes);
    this.#parts.logger.info(
      { ...factsOf(partition), segments, bytes },
      `retention: ${partition.name} begins at ${partition.logStartOffset} now`,
    );
  }

  #compacted(partition: Partition, done: CompactionDone, durationMs: number): void {
    const { end, readBytes, writtenBytes, freedBytes } = done;
    this.#parts.metrics.compacted(done, durationMs);
    this.#parts.logger.info(
      { ...factsOf(partition), readBytes, writtenBytes, freedBytes, durationMs: Math.round(durationMs) },
      `compaction: ${partition.name} is clean up to ${end} now`,
    );
  }

  #failed(partition: Partition, error: Error): void {
    this.#parts.metrics.compactionFailed();
    this.#parts.logger.warn(
      { ...factsOf(partition), err: error },
      `${partition.name} could not be compacted, and is left as it is for a while: ${error.message}`,
    );
  }
}

function factsOf({ folder, topic }: Partition): { readonly partition: string; readonly topic: string } {
  return { partition: folder, topic: topic.name };
}
