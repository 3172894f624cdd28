import { topicDefaults } from '@weir/base/broker-configs.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { TOPIC_CONFIGS } from '@weir/base/topic-configs.ts';
import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import { SEGMENT_BYTES_MAX } from '@weir/log/log-config.ts';
import type { RetentionRules } from '@weir/log/retention.ts';
import { checkBatch } from '@weir/records/check-batch.ts';
import { keysProblem } from '@weir/records/check-keys.ts';
import { listOf } from '@weir/base/config-definition.ts';
import {
  DELETE_RETENTION_MS,
  GROUP_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  RETENTION_MS,
  SEGMENT_BYTES,
  SEGMENT_MS,
} from '@weir/base/limits.ts';

/** When a record counts: once synced, or once written. */
export type FlushPolicy = 'commit' | 'interval';

/** What a topic's configs mean for its partitions. */
export interface TopicSettings {
  readonly flush: FlushPolicy;
  /** Largest batch, header included. */
  readonly messageBytesMax: number;
  readonly segmentBytes: number;
  /** How old the first record of the active segment may become before the segment is sealed. */
  readonly segmentMs: number;
  /** -1: records never become too old. */
  readonly retentionMs: number;
  /** Of one partition. -1: there are never too many. */
  readonly retentionBytes: number;
  /** Whether old records are deleted, by the two above. */
  readonly deletes: boolean;
  /** Whether records are compacted: of each key the last one stays. */
  readonly compacts: boolean;
  readonly deleteRetentionMs: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly minDirtyRatio: number;
}

/**
 * Reads a topic's configs as the metadata has them. The coordinator has checked them; what this version still cannot
 * use (another one may have written it) falls back to the default, and a batch never grows past a group.
 */
export function topicSettings(configs: Readonly<Record<string, string>>, defaultFlush: FlushPolicy): TopicSettings {
  const flush = configs['flush'];
  const policies = listOf(configs['cleanup.policy'] ?? 'delete');
  const compacts = policies.includes('compact');
  return {
    flush: flush === 'commit' || flush === 'interval' ? flush : defaultFlush,
    messageBytesMax: Math.min(GROUP_BYTES_MAX, positive(configs['max.message.bytes']) ?? MESSAGE_BYTES_MAX),
    segmentBytes: Math.min(SEGMENT_BYTES_MAX, positive(configs['segment.bytes']) ?? SEGMENT_BYTES),
    segmentMs: positive(configs['segment.ms']) ?? SEGMENT_MS,
    retentionMs: limit(configs['retention.ms']) ?? RETENTION_MS,
    retentionBytes: limit(configs['retention.bytes']) ?? -1,
    deletes: !compacts || policies.includes('delete'),
    compacts,
    deleteRetentionMs: duration(configs['delete.retention.ms']) ?? DELETE_RETENTION_MS,
    minCompactionLagMs: duration(configs['min.compaction.lag.ms']) ?? 0,
    maxCompactionLagMs: positive(configs['max.compaction.lag.ms']) ?? Number.MAX_SAFE_INTEGER,
    minDirtyRatio:
      ratio(configs['min.cleanable.dirty.ratio']) ?? Number(TOPIC_CONFIGS['min.cleanable.dirty.ratio'].default),
  };
}

/**
 * What a replica's log keeps. Only a leader removes something: there the configs are known. But every replica compacts its
 * log, of which the segment that grows is no part, and so seals that in time; undefined: there is nothing to do.
 */
export function retentionRules(
  settings: TopicSettings,
  isLeader: boolean,
): Pick<RetentionRules, 'retentionMs' | 'retentionBytes' | 'segmentMs'> | undefined {
  const { compacts, deletes, retentionMs, retentionBytes, segmentMs, maxCompactionLagMs } = settings;
  if (!isLeader && !compacts) return undefined;
  const rollMs = compacts ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;
  if (isLeader && deletes) return { retentionMs, retentionBytes, segmentMs: rollMs };
  return { retentionMs: -1, retentionBytes: -1, segmentMs: rollMs };
}

/** What a topic's configs mean on one broker, over what was set of that broker and of the cluster. */
export function settingsInEffect(
  configs: Readonly<Record<string, string>>,
  image: ClusterImage,
  { brokerId, defaultFlush }: { readonly brokerId: BrokerId; readonly defaultFlush: FlushPolicy },
): TopicSettings {
  const defaults = topicDefaults(image.brokerConfigs('default'), image.brokerConfigs(brokerId));
  return topicSettings({ ...defaults, ...configs }, defaultFlush);
}

/** Why a producer's batch is refused by its topic, or undefined when it is fine. */
export function batchProblem(batch: Buffer, { messageBytesMax, compacts }: TopicSettings): Refusal | undefined {
  return checkBatch(batch, { maxBytes: messageBytesMax }) ?? (compacts ? keysProblem(batch) : undefined);
}

/** Whether nothing has changed. */
export function sameSettings(a: TopicSettings, b: TopicSettings): boolean {
  return (Object.keys(a) as (keyof TopicSettings)[]).every((name) => a[name] === b[name]);
}

/** A number from 0, or -1 for none. */
function limit(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= -1 ? value : undefined;
}

function duration(text: string | undefined): number | undefined {
  const value = limit(text);
  return value === -1 ? undefined : value;
}

function ratio(text: string | undefined): number | undefined {
  const value = Number(text);
  return value >= 0 && value <= 1 ? value : undefined;
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
