import { BROKER_CONFIGS, synonymOf } from './broker-configs.ts';
import { definitionOf } from './config-definition.ts';
import type { ConfigDefinition, ConfigTable } from './config-definition.ts';
import { minInSyncReplicas, TOPIC_CONFIGS } from './topic-configs.ts';

/** Who has set a value: the topic, the broker, the cluster-wide default, an option at the start; or nobody. */
export type ConfigSource = 'topic' | 'broker' | 'cluster' | 'static' | 'default';

/** A value that there is, whether it counts or not, under the name that it has at that place. */
export interface ConfigSynonym {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
}

/** A config as it is in effect. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string;
  readonly source: ConfigSource;
  /** It cannot be altered. */
  readonly readOnly: boolean;
  readonly definition: ConfigDefinition;
  /** Every value that there is for it, the one that counts first (Kafka's `ConfigSynonyms`). */
  readonly synonyms: readonly ConfigSynonym[];
}

/** What was set at each place. */
export interface ConfigPlaces {
  /** By the topic; absent where a broker is described. */
  readonly topic?: Readonly<Record<string, string>>;
  /** By the broker: `image.brokerConfigs(id)`. */
  readonly broker?: Readonly<Record<string, string>>;
  /** By the cluster-wide default: `image.brokerConfigs('default')`. */
  readonly cluster: Readonly<Record<string, string>>;
  /** By options; a topic config that has no broker-level name (`flush`) is under its own. */
  readonly statics: Readonly<Record<string, string>>;
}

/**
 * Every topic config as it is in effect for one topic, in the order of the names.
 *
 * @param replicationFactor - of the topic: a default depends on it
 */
export function describeTopicConfigs(places: ConfigPlaces, replicationFactor = 1): DescribedConfig[] {
  const defaults = { 'min.insync.replicas': String(minInSyncReplicas({}, {}, replicationFactor)) };
  return describe(TOPIC_CONFIGS, places, { below: (name) => synonymOf(name) ?? name, defaults });
}

/** Every broker config as it is in effect for one broker, or for all of them. */
export function describeBrokerConfigs(places: ConfigPlaces): DescribedConfig[] {
  return describe(BROKER_CONFIGS, places, { below: (name) => name, defaults: {} });
}

interface Naming {
  /** The name that a config has at the places below the topic. */
  readonly below: (name: string) => string;
  /** Defaults that are others here than the definitions say. */
  readonly defaults: Readonly<Record<string, string>>;
}

function describe(table: ConfigTable, places: ConfigPlaces, { below: nameBelow, defaults }: Naming): DescribedConfig[] {
  return Object.keys(table).map((name) => {
    const definition = definitionOf(table, name)!;
    const below = nameBelow(name);
    const synonyms: ConfigSynonym[] = [
      ...found(name, 'topic', places.topic),
      ...found(below, 'broker', places.broker),
      ...found(below, 'cluster', places.cluster),
      ...found(below, 'static', places.statics),
      { name: below, value: defaults[name] ?? definition.default, source: 'default' },
    ];
    const { value, source } = synonyms[0]!;
    return { name, value, source, readOnly: !definition.live, definition, synonyms };
  });
}

function found(name: string, source: ConfigSource, configs: Readonly<Record<string, string>> = {}): ConfigSynonym[] {
  return Object.hasOwn(configs, name) ? [{ name, value: configs[name]!, source }] : [];
}
