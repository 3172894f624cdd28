import type { Clock } from '@weir/base/clock.ts';
import { topicNameProblem } from '@weir/base/ids.ts';
import { KAFKA_CONFIG_RESOURCES_MAX } from '@weir/base/limits.ts';
import { describeBrokerConfigs, describeTopicConfigs } from '@weir/base/describe-configs.ts';
import type { ConfigSource, DescribedConfig } from '@weir/base/describe-configs.ts';
import type { ConfigDefinition } from '@weir/base/config-definition.ts';
import type { describeConfigs, DescribeConfigsResponse } from '@weir/kafka/apis/describe-configs.ts';
import type { listConfigResources } from '@weir/kafka/apis/list-config-resources.ts';
import { outcomeOf } from './admin.ts';
import type { Outcome } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import { UNSUPPORTED_VERSION } from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { inSlices } from './slices.ts';

/** Kafka's numbers for what has configs. */
export const RESOURCE = { topic: 2, broker: 4 } as const;
/** Before it ListConfigResources was about metrics that clients push, which there are none of. */
const LISTS_ALL_FROM = 1;

const SOURCES: Readonly<Record<ConfigSource, number>> = { topic: 1, broker: 2, cluster: 3, static: 4, default: 5 };
const TYPES: Readonly<Record<ConfigDefinition['type'], number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
};

type ResourceAnswer = DescribeConfigsResponse['results'][number];
type Resource = Exchange<typeof describeConfigs>['request']['resources'][number];

/** What describing configs needs. */
export interface ConfigParts {
  readonly cluster: ClusterView;
  readonly brokerId: number;
  /** What this broker was started with, by the name of the topic config that it is the default of. */
  readonly statics: Readonly<Record<string, string>>;
}

/** Every config of a topic, as it is in effect on this broker. */
export function topicConfigs(
  { cluster, brokerId, statics }: ConfigParts,
  { configs, replicationFactor }: { configs: Readonly<Record<string, string>>; replicationFactor: number | undefined },
): DescribedConfig[] {
  const { image } = cluster;
  const places = {
    topic: configs,
    broker: image.brokerConfigs(brokerId),
    cluster: image.brokerConfigs('default'),
    statics: { ...image.staticConfigs(), ...statics },
  };
  return describeTopicConfigs(places, replicationFactor);
}

/** Kafka's number for where a value comes from. */
export function configSource({ source }: Pick<DescribedConfig, 'source'>): number {
  return SOURCES[source];
}

/** Why a request about so many resources is not answered. */
export function tooManyResources({ length }: { readonly length: number }): string {
  return `it asks about the configs of ${length} resources, of at most ${KAFKA_CONFIG_RESOURCES_MAX}`;
}

/** Answers with the configs of topics, of this broker, and of all brokers where they set nothing of their own. */
export async function answerDescribeConfigs(
  parts: ConfigParts,
  clock: Clock,
  exchange: Exchange<typeof describeConfigs>,
): Promise<void> {
  const { request } = exchange;
  if (request.resources.length > KAFKA_CONFIG_RESOURCES_MAX)
    return exchange.hangUp(tooManyResources(request.resources));
  const results = await inSlices(clock, request.resources, (resource): ResourceAnswer => {
    const { resourceType, resourceName, configurationKeys } = resource;
    const found = configsOf(parts, resource);
    if ('errorCode' in found) return { ...found, resourceType, resourceName, configs: [] };
    // An empty list is all of them, as at Kafka.
    const wanted =
      configurationKeys === null || configurationKeys.length === 0 ? undefined : new Set(configurationKeys);
    const shown = found.filter(({ name }) => wanted === undefined || wanted.has(name));
    const configs = shown.map((config) => answerOf(config, request));
    return { errorCode: 0, errorMessage: null, resourceType, resourceName, configs };
  });
  exchange.answer({ throttleTimeMs: 0, results });
}

function configsOf(parts: ConfigParts, { resourceType, resourceName }: Resource): DescribedConfig[] | Outcome {
  const { cluster, brokerId } = parts;
  const { image } = cluster;
  switch (resourceType) {
    case RESOURCE.topic: {
      const invalid = topicNameProblem(resourceName);
      if (invalid !== undefined) return outcomeOf({ code: 'INVALID_TOPIC_EXCEPTION', message: invalid });
      const topic = image.topic(resourceName);
      if (topic !== undefined) {
        const { configs, partitions } = topic;
        return topicConfigs(parts, { configs, replicationFactor: partitions[0]?.replicas.length });
      }
      return outcomeOf({ code: 'UNKNOWN_TOPIC_OR_PARTITION', message: `there is no topic ${resourceName}` });
    }
    case RESOURCE.broker: {
      const places = { cluster: image.brokerConfigs('default'), statics: image.staticConfigs() };
      if (resourceName === '') return describeBrokerConfigs(places).filter(({ source }) => source === 'cluster');
      if (resourceName === String(brokerId)) {
        return describeBrokerConfigs({ ...places, broker: image.brokerConfigs(brokerId) });
      }
      const message = `this is broker ${brokerId}: broker ${JSON.stringify(resourceName)} knows its own configs`;
      return outcomeOf({ code: 'INVALID_REQUEST', message });
    }
    default:
      return outcomeOf({ code: 'INVALID_REQUEST', message: `resources of type ${resourceType} have no configs here` });
  }
}

function answerOf(
  config: DescribedConfig,
  { includeSynonyms, includeDocumentation }: { includeSynonyms: boolean; includeDocumentation: boolean },
): ResourceAnswer['configs'][number] {
  const { name, value, readOnly, definition, synonyms } = config;
  return {
    name,
    value,
    readOnly,
    configSource: configSource(config),
    isSensitive: false,
    synonyms: includeSynonyms ? synonyms.map((synonym) => ({ ...synonym, source: SOURCES[synonym.source] })) : [],
    configType: TYPES[definition.type],
    documentation: includeDocumentation ? definition.description : null,
  };
}

/** Answers what there is that has configs. */
export function answerListConfigResources(cluster: ClusterView, exchange: Exchange<typeof listConfigResources>): void {
  const { request, version } = exchange;
  const known: number[] = Object.values(RESOURCE);
  const asked = version < LISTS_ALL_FROM ? [] : request.resourceTypes.length === 0 ? known : request.resourceTypes;
  if (asked.some((type) => !KAFKA_RESOURCES.has(type))) {
    exchange.answer({ throttleTimeMs: 0, errorCode: UNSUPPORTED_VERSION, configResources: [] });
    return;
  }
  const topics = [...cluster.image.topics()].map(({ name }) => ({ resourceName: name, resourceType: RESOURCE.topic }));
  const brokers = [...cluster.image.brokers()].map(({ id }) => ({
    resourceName: String(id),
    resourceType: RESOURCE.broker,
  }));
  const all: { resourceName: string; resourceType: number }[] = [...topics, ...brokers];
  const configResources = all.filter(({ resourceType }) => asked.includes(resourceType));
  exchange.answer({ throttleTimeMs: 0, errorCode: 0, configResources });
}

/** Topics, brokers, their loggers, client metrics and groups; of the last three there are none. */
const KAFKA_RESOURCES: ReadonlySet<number> = new Set([RESOURCE.topic, RESOURCE.broker, 8, 16, 32]);
