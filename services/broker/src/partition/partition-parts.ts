import type { Clock } from '@weir/base/clock.ts';
import type { DiskError } from '@weir/base/disk.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId, LeaderEpoch, Offset } from '@weir/base/ids.ts';
import type { Member } from '@weir/base/members.ts';
import type { Log } from '@weir/log/log.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { TopicCounters } from '../metrics.ts';
import type { Leadership } from './leadership.ts';
import type { PartitionKey } from './partition-key.ts';
import type { Partition } from './partition.ts';
import type { TopicSettings } from './topic-settings.ts';
import type { Turn } from './turn.ts';

/** What one replica does. */
export type PartitionState =
  /** Takes and serves records. */
  | { readonly kind: 'leader'; readonly epoch: LeaderEpoch }
  /** Another broker leads, or none (-1). */
  | { readonly kind: 'follower'; readonly leader: number; readonly epoch: number }
  /** Found on disk, and the metadata does not say (yet, or any more) that it belongs here. */
  | { readonly kind: 'unassigned' }
  /** Out of service until it begins anew, the broker starts again, or a person has decided. */
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

/** Replication, as partitions tell it what they do. */
export interface Replicator {
  /** It follows from now on, another leader or in another epoch than before. */
  follows(partition: Partition): void;
  /** It does not follow any more. */
  leaves(partition: Partition): void;
  /** As a follower it has more durably. */
  isDurable(partition: Partition): void;
  /** As a leader it may want other replicas in sync. */
  mayAlterIsr(partition: Partition): void;
  /** It led, and is out of service: another one is to lead. */
  resigns(partition: Partition, leadership: Pick<Leadership, 'epoch' | 'replicas'>): void;
}

/** What all partitions of a broker share. */
export interface PartitionShared {
  readonly brokerId: BrokerId;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly replicator: Replicator;
  readonly turn: Turn;
  /** Bytes of batches that were taken and do not count yet, the most of them, and those of all that were taken. */
  readonly pending: { bytes: number; readonly maxBytes: number; everBytes: number };
  readonly room: DiskRoom;
  /** A sync failed: nothing that was written since the last one can be trusted, and the process must end. */
  readonly syncFailed: (partition: Partition, error: DiskError) => void;
  /** A read found damage: it is out of service, and was heard of up to this leader epoch (-1: not at all). */
  readonly damaged: (partition: Partition, spokeIn: number) => void;
  /** The replica has gone offline. */
  readonly wentOffline: (partition: Partition, reason: string, cause: unknown) => void;
  readonly synced: (durationMs: number) => void;
  /** Committed records are about to be cut, after an unclean election: what an earlier watermark says is not to be found again. */
  readonly watermarkLowered: () => void;
  /** A segment was sealed. */
  readonly rolled: () => void;
}

/** What a partition is made of. */
export interface PartitionParts {
  readonly key: PartitionKey;
  /** Undefined when it could not be opened; then `offline` says why. */
  readonly log: Log | undefined;
  readonly offline?: string;
  /** As far as an earlier run knew. */
  readonly highWatermark: Offset;
  readonly shared: PartitionShared;
  readonly topic: PartitionTopic;
}

/** What a partition has from its topic. */
export interface PartitionTopic {
  readonly name: string;
  readonly settings: TopicSettings;
  readonly counters: TopicCounters;
}
