import { definitionOf, valueProblem } from './config-definition.ts';
import type { ConfigTable } from './config-definition.ts';
import {
  CONFIG_VALUE_LENGTH_MAX,
  DELETE_RETENTION_MS,
  GROUP_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  REPLICATION_FACTOR_MAX,
  RETENTION_MS,
  SEGMENT_BYTES,
  SEGMENT_MS,
  TOPIC_CONFIGS_MAX,
} from './limits.ts';

/** Smallest segment that may be asked for: Kafka's bound, below which a partition is all file handles. */
const SEGMENT_BYTES_MIN = 1_048_576;
/** Largest: positions in a segment are 32-bit. */
const SEGMENT_BYTES_MAX = 0x7fff_ffff;

/**
 * What may be set of a topic. Whatever is in here is what brokers do: a config that does nothing yet, or a value of one, is
 * not. Names and types are Kafka's, `flush` excepted.
 */
export const TOPIC_CONFIGS = {
  'cleanup.policy': {
    type: 'list',
    choices: ['compact', 'delete'],
    default: 'delete',
    live: true,
    description:
      'What becomes of old records: "delete" removes those that are too old or too many, "compact" those that a later record of their key follows.',
  },
  'compression.type': {
    type: 'string',
    choices: ['producer'],
    because: 'batches are stored as they came',
    default: 'producer',
    live: true,
    description: 'How records are compressed: as their producer did it.',
  },
  'delete.retention.ms': {
    type: 'long',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: String(DELETE_RETENTION_MS),
    live: true,
    description: 'Where records are compacted, how long a tombstone stays at least once compaction has come to it.',
  },
  flush: {
    type: 'string',
    choices: ['commit', 'interval'],
    default: 'commit',
    live: false,
    description:
      "When records count: once a sync covers them, or at once with a sync every second (the brokers' --flush).",
  },
  'max.compaction.lag.ms': {
    type: 'long',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    default: String(Number.MAX_SAFE_INTEGER),
    live: true,
    description: 'Where records are compacted, how old one becomes at most before compaction comes to it.',
  },
  'max.message.bytes': {
    type: 'int',
    min: 1,
    max: GROUP_BYTES_MAX,
    default: String(MESSAGE_BYTES_MAX),
    live: true,
    description: 'Largest record batch, after compression and with its header.',
  },
  'message.timestamp.type': {
    type: 'string',
    choices: ['CreateTime'],
    because: 'brokers leave records as they came',
    default: 'CreateTime',
    live: true,
    description: "Whose clock a record's timestamp is of: its producer's.",
  },
  'min.cleanable.dirty.ratio': {
    type: 'double',
    min: 0,
    max: 1,
    default: '0.5',
    live: true,
    description: 'Where records are compacted, the share of the log that is not yet, from which on it is.',
  },
  'min.compaction.lag.ms': {
    type: 'long',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: '0',
    live: true,
    description: 'Where records are compacted, how old they have to be before.',
  },
  'min.insync.replicas': {
    type: 'int',
    min: 1,
    max: REPLICATION_FACTOR_MAX,
    // Of a topic with three replicas or more it is another one: see `minInSyncReplicas`.
    default: '1',
    live: true,
    description:
      'How many replicas have to be in sync for a write with acks=all; all of them where it is more than there are. Where nobody sets it: 2 with three replicas or more, else 1.',
  },
  preallocate: {
    type: 'boolean',
    choices: ['false'],
    because: 'segments grow as they are written',
    default: 'false',
    live: true,
    description: 'Whether a new segment takes all of its space at once.',
  },
  'retention.bytes': {
    type: 'long',
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    default: '-1',
    live: true,
    description: 'Of each partition, how much is kept: above it the oldest segments go.',
  },
  'retention.ms': {
    type: 'long',
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    default: String(RETENTION_MS),
    live: true,
    description: 'How long records are kept: segments of which every record is older go.',
  },
  'segment.bytes': {
    type: 'int',
    min: SEGMENT_BYTES_MIN,
    max: SEGMENT_BYTES_MAX,
    default: String(SEGMENT_BYTES),
    live: true,
    description: 'Size at which a segment is sealed and the next one begins.',
  },
  'segment.ms': {
    type: 'long',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    default: String(SEGMENT_MS),
    live: true,
    description: 'Age at which a segment is sealed although it is not full.',
  },
  'unclean.leader.election.enable': {
    type: 'boolean',
    choices: ['true', 'false'],
    default: 'false',
    live: true,
    description:
      'Whether a replica that is not in sync may lead when no other is left: acknowledged records that it lacks are lost then.',
  },
} as const satisfies ConfigTable;

/** Kafka's other topic configs, so that somebody who sets one hears why it is not there. */
const NOT_THERE: Readonly<Record<string, string>> = {
  ...because('"flush" says when records are synced', ['flush.messages', 'flush.ms']),
  ...because('there is no tiered storage', [
    'local.retention.bytes',
    'local.retention.ms',
    'remote.log.copy.disable',
    'remote.log.delete.on.disable',
    'remote.storage.enable',
  ]),
  ...because('replication has no throttle', [
    'follower.replication.throttled.replicas',
    'leader.replication.throttled.replicas',
  ]),
  ...because('batches are stored as they came', [
    'compression.gzip.level',
    'compression.lz4.level',
    'compression.zstd.level',
    'message.downconversion.enable',
    'message.format.version',
  ]),
  ...because('timestamps are taken as they come', [
    'message.timestamp.after.max.ms',
    'message.timestamp.before.max.ms',
    'message.timestamp.difference.max.ms',
  ]),
  ...because('it is the same for all topics', [
    'file.delete.delay.ms',
    'index.interval.bytes',
    'segment.index.bytes',
    'segment.jitter.ms',
  ]),
};

/**
 * How many replicas have to be in sync for something to be committed: `min.insync.replicas` of the topic, else of the
 * cluster, else 2 with three replicas or more and 1 with fewer; never more than there are.
 *
 * Coordinator and leaders have to agree on it at every revision of the metadata: nobody may reckon it in another way.
 *
 * @param configs - what was set of the topic
 * @param defaults - what topics have that set nothing themselves: `topicDefaults` of the cluster-wide default
 */
export function minInSyncReplicas(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>>,
  replicationFactor: number,
): number {
  const set = configs['min.insync.replicas'] ?? defaults['min.insync.replicas'];
  const wanted = set === undefined ? (replicationFactor >= 3 ? 2 : 1) : Number(set);
  return Math.min(wanted, replicationFactor);
}

/** Whether a replica that is not in sync may lead when no other can: `unclean.leader.election.enable`. */
export function electsUncleanly(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>>,
): boolean {
  const set = configs['unclean.leader.election.enable'] ?? defaults['unclean.leader.election.enable'];
  return set === 'true';
}

/** Why a topic's configs are refused, or undefined when they are fine. */
export function topicConfigsProblem(configs: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(configs);
  if (names.length > TOPIC_CONFIGS_MAX) return `a topic has at most ${TOPIC_CONFIGS_MAX} configs, not ${names.length}`;
  for (const [name, value] of Object.entries(configs)) {
    const definition = definitionOf(TOPIC_CONFIGS, name);
    const problem = definition === undefined ? noTopicConfig(name) : valueProblem(name, definition, value);
    if (problem !== undefined) return problem;
  }
  const { 'max.compaction.lag.ms': maxLag, 'min.compaction.lag.ms': minLag } = configs;
  if (maxLag !== undefined && minLag !== undefined && Number(minLag) > Number(maxLag)) {
    return `min.compaction.lag.ms ${minLag} is more than max.compaction.lag.ms ${maxLag}`;
  }
  const { 'max.message.bytes': largest, 'segment.bytes': segment } = configs;
  if (largest !== undefined && segment !== undefined && Number(largest) > Number(segment)) {
    return `max.message.bytes ${largest} is more than segment.bytes ${segment}: a batch has to fit a segment`;
  }
  return undefined;
}

/** Why a name is none of a topic's configs. */
export function noTopicConfig(name: string): string {
  const why = Object.hasOwn(NOT_THERE, name) ? `, unlike Kafka's (${NOT_THERE[name]})` : '';
  const shown = JSON.stringify(name.slice(0, CONFIG_VALUE_LENGTH_MAX));
  return `${shown} is not a topic config${why}; there are ${Object.keys(TOPIC_CONFIGS).join(', ')}`;
}

function because(why: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, why]));
}
