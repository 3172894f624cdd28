import { definitionOf, valueProblem } from './config-definition.ts';
import type { ConfigDefinition } from './config-definition.ts';
import {
  CONFIG_VALUE_LENGTH_MAX,
  PARTITIONS_DEFAULT,
  REPLICATION_FACTOR_DEFAULT,
  REPLICATION_FACTOR_MAX,
  TOPIC_PARTITIONS_MAX,
} from './limits.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

/** Of one broker or of all of them; `cluster`: of all of them only. */
type Scope = 'broker' | 'cluster';

/** A config of a broker that can be set while it runs. */
export type BrokerConfigDefinition = ConfigDefinition & {
  readonly scope: Scope;
  /** The topic config that it is the default of. */
  readonly topicConfig?: keyof typeof TOPIC_CONFIGS;
};

/**
 * What may be set of brokers, under Kafka's names. A topic's own value comes before a broker's, a broker's before the
 * cluster-wide default, and that before what the process was started with.
 */
export const BROKER_CONFIGS: Readonly<Record<string, BrokerConfigDefinition>> = {
  'auto.create.topics.enable': {
    type: 'boolean',
    choices: ['true', 'false'],
    default: 'false',
    live: true,
    scope: 'cluster',
    description: "Whether a topic is created when somebody produces to it (the coordinator's --auto-create-topics).",
  },
  'auto.leader.rebalance.enable': {
    type: 'boolean',
    choices: ['true', 'false'],
    default: 'true',
    live: true,
    scope: 'cluster',
    description: 'Whether partitions go back to their preferred replicas by themselves, once these are in sync.',
  },
  'default.replication.factor': {
    type: 'int',
    min: 1,
    max: REPLICATION_FACTOR_MAX,
    default: String(REPLICATION_FACTOR_DEFAULT),
    live: true,
    scope: 'cluster',
    description: `Replicas of a topic that is created without saying how many (the coordinator's --default-replication-factor). Where nobody sets it: ${REPLICATION_FACTOR_DEFAULT}, or as many as there are brokers when these are fewer.`,
  },
  'log.cleaner.delete.retention.ms': ofTopics('delete.retention.ms', 'broker'),
  'log.cleaner.max.compaction.lag.ms': ofTopics('max.compaction.lag.ms', 'broker'),
  'log.cleaner.min.cleanable.ratio': ofTopics('min.cleanable.dirty.ratio', 'broker'),
  'log.cleaner.min.compaction.lag.ms': ofTopics('min.compaction.lag.ms', 'broker'),
  // Not of one broker: producers are refused by it, whoever leads.
  'log.cleanup.policy': ofTopics('cleanup.policy', 'cluster'),
  'log.retention.bytes': ofTopics('retention.bytes', 'broker'),
  'log.retention.ms': ofTopics('retention.ms', 'broker'),
  'log.roll.ms': ofTopics('segment.ms', 'broker'),
  'log.segment.bytes': ofTopics('segment.bytes', 'broker'),
  // Not of one broker: producers close their batches at this size before they know who will lead.
  'message.max.bytes': ofTopics('max.message.bytes', 'cluster'),
  // Not of one broker: the coordinator decides by them, whoever leads.
  'min.insync.replicas': ofTopics('min.insync.replicas', 'cluster'),
  'num.partitions': {
    type: 'int',
    min: 1,
    max: TOPIC_PARTITIONS_MAX,
    default: String(PARTITIONS_DEFAULT),
    live: true,
    scope: 'cluster',
    description:
      "Partitions of a topic that is created without saying how many (the coordinator's --default-partitions).",
  },
  'unclean.leader.election.enable': ofTopics('unclean.leader.election.enable', 'cluster'),
};

/** The broker config that is a topic config's default, if one is. */
export function synonymOf(topicConfig: string): string | undefined {
  return Object.keys(BROKER_CONFIGS).find((name) => BROKER_CONFIGS[name]!.topicConfig === topicConfig);
}

/**
 * What topics have on a broker where they set nothing themselves, by the topic configs' names.
 *
 * @param clusterWide - the cluster-wide default
 * @param ofBroker - the broker's own
 */
export function topicDefaults(
  clusterWide: Readonly<Record<string, string>>,
  ofBroker: Readonly<Record<string, string>>,
): Record<string, string> {
  const defaults: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...clusterWide, ...ofBroker })) {
    const topicConfig = Object.hasOwn(BROKER_CONFIGS, name) ? BROKER_CONFIGS[name]!.topicConfig : undefined;
    if (topicConfig !== undefined) defaults[topicConfig] = value;
  }
  return defaults;
}

/** Why configs of a broker, or of all of them, are refused, or undefined when they are fine. */
export function brokerConfigsProblem(scope: Scope, configs: Readonly<Record<string, string>>): string | undefined {
  for (const [name, value] of Object.entries(configs)) {
    if (definitionOf(BROKER_CONFIGS, name) === undefined) return noBrokerConfig(name);
    const definition = BROKER_CONFIGS[name]!;
    if (scope === 'broker' && definition.scope === 'cluster') {
      return `${name} is the same for all brokers: set it of the cluster (the broker whose name is empty)`;
    }
    const problem = valueProblem(name, definition, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Why a name is none of a broker's configs. */
export function noBrokerConfig(name: string): string {
  const shown = JSON.stringify(name.slice(0, CONFIG_VALUE_LENGTH_MAX));
  return `${shown} is not a broker config that can be set while brokers run; there are ${Object.keys(BROKER_CONFIGS).join(', ')}`;
}

function ofTopics(topicConfig: keyof typeof TOPIC_CONFIGS, scope: Scope): BrokerConfigDefinition {
  const definition: ConfigDefinition = TOPIC_CONFIGS[topicConfig];
  const description = `${definition.description} For topics that do not set ${topicConfig}.`;
  return { ...definition, description, scope, topicConfig };
}
