import { assert } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import type { Disk } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import { FLUSH_INTERVAL_BYTES, GROUP_BYTES_MAX, INDEX_INTERVAL_BYTES } from '@weir/base/limits.ts';
import type { Journal } from './journal/journal.ts';
import type { OpenFiles } from './open-files.ts';
import type { TailCache } from './tail-cache.ts';

/** How a log treats its records. */
export interface LogConfig {
  /**
   * `commit`: a batch counts once a sync covers it. `interval`: once it is written; syncs follow every FLUSH_INTERVAL_MS
   * or FLUSH_INTERVAL_BYTES.
   */
  readonly flush: 'commit' | 'interval';
  /** A segment that would grow past it is sealed. A single larger batch gets a segment of its own. */
  readonly segmentBytes: number;
  /** GROUP_BYTES_MAX, unless a test wants less. No batch may be larger. */
  readonly groupBytesMax?: number;
  /** FLUSH_INTERVAL_BYTES, unless a test wants less; not below `groupBytesMax`. */
  readonly flushIntervalBytes?: number;
  /** INDEX_INTERVAL_BYTES, unless a test wants less. */
  readonly indexIntervalBytes?: number;
}

/** What a log is opened with. */
export interface LogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** The partition's folder; it is made when missing. The caller makes its name durable before the first epoch begins. */
  readonly directory: string;
  readonly config: LogConfig;
  /** The durable recovery point: all below it was covered by a sync that returned. 0 when there is none. */
  readonly checkpoint: Offset;
  /** Whether the log was closed in order, and nothing wrote to it since. */
  readonly cleanShutdown: boolean;
  /** How its last batches were written, when that differs from the config: it says how far a torn tail may reach. */
  readonly lastFlush?: LogConfig['flush'];
  /**
   * Up to where the journal of the last run had this log: all below it is durable. Undefined: it had nothing.
   */
  readonly journalEnd?: Offset | undefined;
  readonly cache: TailCache;
  /** Shared by all logs of a broker. */
  readonly files: OpenFiles;
  /** Shared by all logs of a broker; undefined: every group has a sync of its own. */
  readonly journal?: Journal | undefined;
}

/** A config with nothing left open. */
export type ResolvedLogConfig = Required<Omit<LogConfig, 'segmentBytes'>> & {
  /** It may be set while the log is open, and counts from the next group on. */
  segmentBytes: number;
};

/** Largest segment: positions in one have 32 bits in its indexes. */
export const SEGMENT_BYTES_MAX = 0x7fff_ffff;

/** Fills in the defaults. */
export function resolveLogConfig(config: LogConfig): ResolvedLogConfig {
  const resolved = {
    groupBytesMax: GROUP_BYTES_MAX,
    flushIntervalBytes: FLUSH_INTERVAL_BYTES,
    indexIntervalBytes: INDEX_INTERVAL_BYTES,
    ...config,
  };
  assert(resolved.flushIntervalBytes >= resolved.groupBytesMax, 'what may be unsynced holds a group');
  assert(resolved.segmentBytes <= SEGMENT_BYTES_MAX, 'positions in a segment have 32 bits in its indexes');
  return resolved;
}

/**
 * The most that can be unsynced at the end of a log: how far a torn tail reaches, and how far behind a bad byte a valid
 * batch proves damage.
 */
export function unsyncedBytesMax({ flush, groupBytesMax, flushIntervalBytes }: ResolvedLogConfig): number {
  return flush === 'commit' ? groupBytesMax : flushIntervalBytes;
}
