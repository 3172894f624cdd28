import { topicDefaults } from '@weir/base/broker-configs.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import { SEGMENT_BYTES_MAX } from '@weir/log/log-config.ts';
import { GROUP_BYTES_MAX, MESSAGE_BYTES_MAX, RETENTION_MS, SEGMENT_BYTES, SEGMENT_MS } from '@weir/base/limits.ts';

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
}

/**
 * Reads a topic's configs as the metadata has them. The coordinator has checked them; what this version still cannot
 * use (another one may have written it) falls back to the default, and a batch never grows past a group.
 */
export function topicSettings(configs: Readonly<Record<string, string>>, defaultFlush: FlushPolicy): TopicSettings {
  const flush = configs['flush'];
  return {
    flush: flush === 'commit' || flush === 'interval' ? flush : defaultFlush,
    messageBytesMax: Math.min(GROUP_BYTES_MAX, positive(configs['max.message.bytes']) ?? MESSAGE_BYTES_MAX),
    segmentBytes: Math.min(SEGMENT_BYTES_MAX, positive(configs['segment.bytes']) ?? SEGMENT_BYTES),
    segmentMs: positive(configs['segment.ms']) ?? SEGMENT_MS,
    retentionMs: limit(configs['retention.ms']) ?? RETENTION_MS,
    retentionBytes: limit(configs['retention.bytes']) ?? -1,
  };
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

/** Whether nothing has changed. */
export function sameSettings(a: TopicSettings, b: TopicSettings): boolean {
  return (Object.keys(a) as (keyof TopicSettings)[]).every((name) => a[name] === b[name]);
}

/** A number from 0, or -1 for none. */
function limit(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= -1 ? value : undefined;
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
