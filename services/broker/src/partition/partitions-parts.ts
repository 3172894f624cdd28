import type { DiskError } from '@weir/base/disk.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { BrokerMetrics } from '../metrics.ts';
import type { Doubt, LogHome } from './open-log.ts';
import type { PartitionKey } from './partition-key.ts';
import type { Replicator } from './partition-parts.ts';
import type { Partition } from './partition.ts';
import type { Turn } from './turn.ts';

/** What the partitions tell the broker. */
export interface PartitionEvents {
  /**
   * New folders exist: their names have to be on disk before they take records, or nobody would miss them later. Called
   * before they lead; false when the disk refused.
   */
  created(): boolean;
  syncFailed(partition: Partition, error: DiskError): void;
  wentOffline(partition: Partition, reason: string, cause: unknown): void;
  /** A segment was sealed: a good moment for a checkpoint. */
  rolled(): void;
  /** A high watermark has come down: the file of them is to be written before the log is cut. */
  watermarkLowered(): void;
  /** Deleted partitions left the checkpoint, which is to be written; false when the disk refused. */
  forgotten(): boolean;
  /** The disk refuses to remove deleted partitions; it is tried again. */
  deletionFailed(error: DiskError): void;
  /** All that the metadata places here, as far as it is known, is led, followed or offline. */
  takenUp(): void;
}

/** What the partitions need. */
export interface PartitionsParts extends LogHome {
  readonly brokerId: BrokerId;
  readonly turn: Turn;
  readonly metrics: BrokerMetrics;
  readonly appendPendingBytesMax: number;
  readonly room: DiskRoom;
  readonly replicator: PartitionsReplicator;
  readonly events: PartitionEvents;
}

/** Replication, as it is told by partitions and by what the metadata says of them. */
export interface PartitionsReplicator extends Replicator {
  /** Other replicas of it are in sync than before, as the metadata has it. */
  isrChanged(partition: Partition): void;
  /** There are replicas that are not to be trusted, and the coordinator may have to be told of some. */
  doubtful(): void;
  /** What it held was damaged or missing, and it is an empty replica from now on. */
  beginsAnew(partition: Partition): void;
}

/** A replica that the registration has to list. */
export interface DoubtfulReplica {
  readonly key: PartitionKey;
  readonly doubt: Doubt;
}

/** How far the recovery is. */
export interface RecoveryProgress {
  readonly opened: number;
  readonly total: number;
}
