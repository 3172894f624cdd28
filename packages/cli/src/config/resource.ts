import { synonymOf } from '@weir/base/broker-configs.ts';
import { describeBrokerConfigs, describeTopicConfigs } from '@weir/base/describe-configs.ts';
import type { ConfigSource, DescribedConfig } from '@weir/base/describe-configs.ts';
import { topicNameProblem } from '@weir/base/ids.ts';
import { declareOptions } from '@weir/base/options.ts';
import type { ConfigResource } from '@weir/client/alter-configs.ts';
import type { Client } from '@weir/client/client.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { UsageError } from '../command.ts';
import { topicOf } from '../with-client.ts';

/** Options that say whose configs are meant. */
export const resourceOptions = declareOptions({
  topic: { type: 'string', optional: true, placeholder: 'TOPIC', description: 'Configs of this topic' },
  broker: {
    type: 'integer',
    optional: true,
    min: 0,
    max: 0x7fff_ffff,
    placeholder: 'ID',
    description: 'Configs of this broker',
  },
  cluster: { type: 'boolean', default: false, description: 'Configs of all brokers that have none of their own' },
});

/** Their values. */
interface ResourceOptions {
  readonly topic: string | undefined;
  readonly broker: number | undefined;
  readonly cluster: boolean;
}

/**
 * Whose configs are meant; undefined when nobody was named.
 *
 * @throws UsageError when several were
 */
export function namedResource({ topic, broker, cluster }: ResourceOptions): ConfigResource | undefined {
  const named: ConfigResource[] = [
    ...(topic === undefined ? [] : [{ type: 'topic', name: topic } as const]),
    ...(broker === undefined ? [] : [{ type: 'broker', id: broker } as const]),
    ...(cluster ? [{ type: 'cluster' } as const] : []),
  ];
  if (named.length > 1) throw new UsageError('--topic, --broker and --cluster exclude each other');
  const problem = topic === undefined ? undefined : topicNameProblem(topic);
  if (problem !== undefined) throw new UsageError(`--topic: ${problem}`);
  return named[0];
}

/** The same. @throws UsageError also when nobody was named */
export function neededResource(options: ResourceOptions): ConfigResource {
  const resource = namedResource(options);
  if (resource === undefined) throw new UsageError('whose configs? Say --topic TOPIC, --broker ID or --cluster');
  return resource;
}

/** A resource for people. */
export function resourceName(resource: ConfigResource): string {
  switch (resource.type) {
    case 'topic':
      return `topic ${resource.name}`;
    case 'broker':
      return `broker ${resource.id}`;
    case 'cluster':
      return 'cluster';
  }
}

/** A resource as `-o json` shows it. */
export function resourceJson(resource: ConfigResource): Record<string, unknown> {
  switch (resource.type) {
    case 'topic':
      return { topic: resource.name };
    case 'broker':
      return { broker: resource.id };
    case 'cluster':
      return { cluster: true };
  }
}

/** What was set of a resource itself. @throws WeirError for a topic that is not there */
export function configsSetOf(client: Client, resource: ConfigResource): Readonly<Record<string, string>> {
  switch (resource.type) {
    case 'topic':
      return topicOf(client, resource.name).configs;
    case 'broker':
      return client.brokerConfigs(brokerOf(client, resource.id));
    case 'cluster':
      return client.brokerConfigs('default');
  }
}

/** A config in effect, as it is shown. */
export interface ShownConfig {
  readonly name: string;
  /** Null: each broker's own option says it, and this side does not know. */
  readonly value: string | null;
  readonly source: ConfigSource;
  /** Only on this broker, where the topic says nothing. */
  readonly broker?: number;
  readonly description: string;
}

/** Every config of a resource as it is in effect. @throws WeirError for a topic that is not there */
export function configsInEffect(client: Client, resource: ConfigResource): ShownConfig[] {
  const places = { cluster: client.brokerConfigs('default'), statics: client.staticConfigs() };
  switch (resource.type) {
    case 'topic':
      return topicConfigsInEffect(client, topicOf(client, resource.name));
    case 'broker': {
      const broker = client.brokerConfigs(brokerOf(client, resource.id));
      return describeBrokerConfigs({ ...places, broker }).map(shown);
    }
    case 'cluster':
      return describeBrokerConfigs(places).map(shown);
  }
}

/** Every config of a topic as it is in effect. */
export function topicConfigsInEffect(client: Client, topic: TopicInfo): ShownConfig[] {
  const places = { topic: topic.configs, cluster: client.brokerConfigs('default'), statics: client.staticConfigs() };
  return describeTopicConfigs(places, topic.partitions[0]?.replicas.length).flatMap((config) => {
    if (config.name === 'flush' && config.source !== 'topic') return [{ ...shown(config), value: null }];
    const ofBrokers = config.source === 'topic' ? [] : brokersWith(client, synonymOf(config.name));
    return [
      shown(config),
      ...ofBrokers.map(([broker, value]) => ({ ...shown(config), value, broker, source: 'broker' as const })),
    ];
  });
}

function brokersWith(client: Client, name: string | undefined): (readonly [id: number, value: string])[] {
  if (name === undefined) return [];
  return client.brokers().flatMap(({ id }) => {
    const value = client.brokerConfigs(id)[name];
    return value === undefined ? [] : [[id, value] as const];
  });
}

function brokerOf(client: Client, id: number): number {
  if (client.brokers().some((broker) => broker.id === id)) return id;
  throw new Error(`there is no broker ${id}: see weir cluster info`);
}

function shown({ name, value, source, definition }: DescribedConfig): ShownConfig {
  return { name, value, source, description: definition.description };
}
