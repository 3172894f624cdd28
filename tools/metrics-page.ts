import { METRIC_GROUP_PARTITIONS_MAX, METRIC_GROUPS_MAX } from '../packages/base/src/group-limits.ts';
import { METRIC_PARTITIONS_MAX, METRIC_TOPICS_MAX } from '../packages/base/src/limits.ts';
import { newRegistry } from '../packages/runtime/src/metrics.ts';
import { registerProcessMetrics } from '../packages/runtime/src/process-metrics.ts';
import { VERSION } from '../packages/runtime/src/run-service.ts';
import type { Registry } from '../packages/runtime/src/world.ts';
import { groupMetrics } from '../services/broker/src/group/group-metrics.ts';
import type { GroupGauges } from '../services/broker/src/group/group-metrics.ts';
import { BrokerMetrics } from '../services/broker/src/metrics.ts';
import type { BrokerGauges } from '../services/broker/src/metrics.ts';
import { replicationMetrics } from '../services/broker/src/replication/replication-metrics.ts';
import type { ReplicationGauges } from '../services/broker/src/replication/replication-metrics.ts';
import { coordinatorMetrics } from '../services/coordinator/src/metrics.ts';
import { GatewayMetrics } from '../services/gateway/src/metrics.ts';

/** A metric as a service registers it. */
export interface RegisteredMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

/** In the place of what a service would measure. */
const nothing = (): number => 0;

/** What is registered, by whom: each service's own, and what every process has. */
export function registeredMetrics(): Record<'coordinator' | 'broker' | 'gateway' | 'process', RegisteredMetric[]> {
  return {
    coordinator: registered((registry) => coordinatorMetrics(registry, () => undefined)),
    broker: registered((registry) => {
      new BrokerMetrics(registry).watch({} as BrokerGauges);
      replicationMetrics(registry, {} as ReplicationGauges);
      groupMetrics(registry, {} as GroupGauges);
    }),
    gateway: registered(
      (registry) => new GatewayMetrics(registry, { streams: nothing, consumers: nothing, inFlightBytes: nothing }),
    ),
    process: registered((registry) => registerProcessMetrics(registry, { version: VERSION, service: 'broker' })),
  };
}

function registered(register: (registry: Registry) => unknown): RegisteredMetric[] {
  const registry = newRegistry();
  register(registry);
  return (registry.getMetricsAsArray() as unknown as RegisteredMetric[]).map(({ name, help, type, labelNames }) => ({
    name,
    help,
    type,
    labelNames,
  }));
}

/** docs/METRICS.md as the registrations have it; `npm run check` compares, `npm run docs` writes. */
export function metricsPage(): string {
  const { coordinator, broker, gateway, process } = registeredMetrics();
  return `# Metrics

Every service answers \`/metrics\` on its ops port (coordinator 7079, broker 7080, gateway 8081) in Prometheus' text format.
Names end in their base unit, counters in \`_total\`. Labels are few on purpose: no client ids, no paths, and topics up to
${METRIC_TOPICS_MAX.toLocaleString('en')}, after which the rest share the label \`other\`.

Names that begin with \`kafka_\` are those of kafka_exporter, so that dashboards and alerts for it find what is true here as
well. Offsets of partitions are there for the first ${METRIC_PARTITIONS_MAX.toLocaleString('en')} that a broker leads.

A consumer group is told of by the broker that coordinates it: the first ${METRIC_GROUPS_MAX.toLocaleString('en')} by name, and how far they have come in
${METRIC_GROUP_PARTITIONS_MAX.toLocaleString('en')} partitions, each group with all of its partitions or with none. The lag is looked at every five
seconds. It counts what can be read, and is never below 0: other than kafka_exporter's, it is without records that were deleted
before the group came to them.

*This page is made from the registrations by \`npm run docs\`.*

## Coordinator

${table(coordinator)}

## Broker

${table(broker)}

## Gateway

${table(gateway)}

## Every process

How memory stands to its limit is \`weir_memory_used_bytes / weir_memory_limit_bytes\`: the resident set has pages of files in
it, Node's own code among them, that the system takes back when it needs them.

${table(process)}
`;
}

function table(metrics: readonly RegisteredMetric[]): string {
  const rows = metrics.map(
    ({ name, type, labelNames, help }) =>
      `| \`${name}\` | ${type} | ${unitOf(name)} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', String.raw`\|`)} |`,
  );
  return ['| Metric | Type | Unit | Labels | |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

/** A name tells its unit; one that does not counts something, but for those that say which or whether. */
function unitOf(name: string): string {
  if (/_(active|forced|info|leader|partition|preferred|revision)$/.test(name)) return 'none';
  return /_(seconds|bytes|offset)(_|$)/.exec(name)?.[1] ?? 'count';
}
