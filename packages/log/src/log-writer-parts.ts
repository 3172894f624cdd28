import type { Clock } from '@weir/base/clock.ts';
import type { Disk, DiskError } from '@weir/base/disk.ts';
import type { Offset } from '@weir/base/ids.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Journal } from './journal/journal.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { ResolvedLogConfig } from './log-config.ts';
import type { LogProducers } from './producers/log-producers.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { Segments } from './segments.ts';
import type { TruncationMark } from './truncation-mark.ts';

/** What a log was doing when the disk failed; `damage`: it read, and what is there is not what was written. */
export type LogFault = 'append' | 'sync' | 'read' | 'damage';

/** What a writer is made of. */
export interface LogWriterParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly config: ResolvedLogConfig;
  readonly segments: Segments;
  readonly epochs: LeaderEpochs;
  readonly producers: LogProducers;
  readonly files: SegmentFiles;
  readonly slabs: Slabs;
  /** Undefined: every group has a sync of its own. */
  readonly journal: Journal | undefined;
  /** All below it is durable. */
  readonly durableFrom: Offset;
  /** Of the last cut; undefined: there was none, or nothing is left that could be older. */
  readonly truncation: TruncationMark | undefined;
}

/** What a writer tells its log. */
export interface LogWriterEvents {
  /** The durable end moved. */
  advanced(durableEnd: Offset): void;
  fault(error: DiskError, what: LogFault): void;
  synced(durationMs: number, bytes: number): void;
  /** It takes no more appends: what was kept for them can go. */
  over(): void;
}

/** A place up to which the log was written. */
export interface Mark {
  readonly end: Offset;
  /** Bytes written to the log since it was opened. */
  readonly writtenBytes: number;
  /** In the active segment's file. */
  readonly position: number;
}
