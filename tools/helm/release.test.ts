import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { IContainer, IPodSpec } from 'kubernetes-models/v1';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { messageOf } from '../../packages/base/src/errors.ts';
import type { OptionSpecs } from '../../packages/base/src/options.ts';
import { loadOptions } from '../../packages/runtime/src/load-options.ts';
import { processOptions } from '../../packages/runtime/src/run-main.ts';
import { brokerOptions } from '../../services/broker/src/options.ts';
import { coordinatorOptions, storeLocationOf } from '../../services/coordinator/src/options.ts';
import type { CoordinatorOptionValues } from '../../services/coordinator/src/options.ts';
import { gatewayOptions } from '../../services/gateway/src/options.ts';
import { CHART, valuesFiles } from './chart.ts';
import { findHelm, NO_HELM } from './helm.ts';
import { podSpecOf } from './pod-security.ts';
import { render } from './render.ts';
import type { RenderedObject } from './render.ts';

const noHelm = findHelm() === undefined;
if (noHelm) console.warn(`skipped, what a release is made of: ${NO_HELM}`);

const SERVICES: readonly [string, OptionSpecs][] = [
  ['coordinator', coordinatorOptions],
  ['broker', brokerOptions],
  ['gateway', gatewayOptions],
];

describe.skipIf(noHelm)('a release', () => {
  test('starts each service with options that it takes, whatever the values', () => {
    for (const { name: source, path } of valuesFiles()) {
      const objects = render(...(path === undefined ? [] : ['--values', path]));
      for (const [name, specs] of SERVICES) {
        const resolved = optionsOf(objects, name, { ...specs, ...processOptions });
        const problems = resolved.ok ? storeProblems(name, resolved.values) : resolved.problems;
        expect([source, name, problems]).toEqual([source, name, []]);
      }
    }
  });

  test('hands options on as they were written', () => {
    const objects = render('--values', `${CHART}/ci/brokers-values.yaml`);
    const valuesOf = (name: string): unknown => {
      const resolved = optionsOf(objects, name, { ...Object.fromEntries(SERVICES)[name]!, ...processOptions });
      return resolved.ok ? resolved.values : resolved.problems;
    };
    expect(valuesOf('coordinator')).toMatchObject({
      id: 7,
      'auto-create-topics': true,
      'default-partitions': 12,
      'grpc-advertise': 'weir-coordinator-7.weir-coordinator.streams.svc.cluster.local:7070',
    });
    expect(valuesOf('broker')).toMatchObject({
      id: 7,
      'memory-limit': 268_435_456,
      flush: 'interval',
      'grpc-advertise': 'weir-broker-7.weir-broker.streams.svc.cluster.local:7071',
      'kafka-listen': '0.0.0.0:9092',
      'kafka-advertise': 'weir-broker-7.weir-broker.streams.svc.cluster.local:9092',
      'replication-listen': '0.0.0.0:7072',
      'replication-advertise': 'weir-broker-7.weir-broker.streams.svc.cluster.local:7072',
    });
    expect(valuesOf('gateway')).toMatchObject({
      id: 'weir-gateway-7',
      'peer-advertise': '10.0.0.7:8080',
      'allowed-origins': 'https://app.example.com,https://admin.example.com',
      coordinators: [0, 1, 2]
        .map((index) => `weir-coordinator-${index}.weir-coordinator.streams.svc.cluster.local:7070`)
        .join(),
    });
  });

  test('has one address where Kafka clients begin, and a name of each broker where they go on', () => {
    const services = render().filter(({ kind }) => kind === 'Service') as unknown as {
      metadata: { name: string };
      spec: { clusterIP?: string; type?: string; ports: { name: string; port: number }[] };
    }[];
    const withKafka = services.filter(({ spec }) =>
      spec.ports.some(({ name, port }) => name === 'kafka' && port === 9092),
    );
    expect(withKafka.map(({ metadata, spec }) => [metadata.name, spec.clusterIP ?? spec.type])).toEqual([
      ['weir-broker', 'None'],
      ['weir-kafka', 'ClusterIP'],
    ]);
    const { env } = podSpecOf(render().find(({ kind }) => kind === 'Pod')!)!.containers[0]!;
    expect(env).toContainEqual({ name: 'WEIR_TEST_KAFKA', value: 'weir-kafka.streams.svc.cluster.local:9092' });
  });

  test('lets nobody in where the list of peers is empty, and never everybody', () => {
    for (const source of ['nobody', 'networkpolicy']) {
      const policies = render('--values', `${CHART}/ci/${source}-values.yaml`).filter(
        ({ kind }) => kind === 'NetworkPolicy',
      ) as unknown as { spec: { ingress: { ports: { port: string }[]; from: object[] }[] } }[];
      expect(policies).toHaveLength(4);
      const rules = policies.flatMap(({ spec }) => spec.ingress);
      expect(rules.flatMap(({ ports }) => ports.map(({ port }) => port))).toContain('kafka');
      // Kubernetes takes a rule without peers for one that lets everybody in.
      for (const { ports, from } of rules) expect([source, ports, from.length > 0]).toEqual([source, ports, true]);
    }
  });

  test('has three replicas of a topic that does not say, fewer where there are fewer brokers, or what somebody says', () => {
    const factor = (...words: string[]): unknown => {
      const resolved = optionsOf(render(...words), 'coordinator', { ...coordinatorOptions, ...processOptions });
      return resolved.ok
        ? (resolved.values as CoordinatorOptionValues)['default-replication-factor']
        : resolved.problems;
    };
    expect(factor()).toBe(3);
    expect(factor('--values', `${CHART}/values-dev.yaml`)).toBe(1);
    expect(factor('--set', 'broker.replicas=2')).toBe(2);
    expect(factor('--set', 'broker.replicas=5')).toBe(3);
    expect(factor('--set', 'coordinator.config.default-replication-factor=2')).toBe(2);
  });

  test('lets nobody but brokers follow a broker', () => {
    for (const path of ['ci/nobody-values.yaml', 'ci/networkpolicy-values.yaml', 'values-production.yaml']) {
      const { spec } = render('--values', `${CHART}/${path}`).find(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'weir-broker',
      ) as unknown as { spec: { ingress: { ports: { port: string }[]; from: unknown[] }[] } };
      const { from } = spec.ingress.find(({ ports }) => ports[0]!.port === 'replication')!;
      expect(from).toEqual([
        {
          podSelector: { matchLabels: expect.objectContaining({ 'app.kubernetes.io/component': 'broker' }) as object },
        },
      ]);
    }
  });

  test('rolls the pods of a component, and of no other, when its options change', () => {
    const before = checksums(render());
    const after = checksums(render('--set', 'broker.config.log-level=debug'));
    expect(after['broker']).not.toBe(before['broker']);
    expect({ ...after, broker: '' }).toEqual({ ...before, broker: '' });
  });

  test('gives the heap a part of the memory where there is a limit, unless somebody has options for Node', () => {
    const nodeOptions = (component: string, ...words: string[]): string[] =>
      containerOf(render(...words), component)
        .env!.filter(({ name }) => name === 'NODE_OPTIONS')
        .map(({ value }) => value!);
    expect(nodeOptions('broker')).toEqual(['--max-old-space-size-percentage=40']);
    expect(nodeOptions('coordinator')).toEqual([]);
    const own = ['--set', 'broker.extraEnv[0].name=NODE_OPTIONS', '--set', 'broker.extraEnv[0].value=--expose-gc'];
    expect(nodeOptions('broker', ...own)).toEqual(['--expose-gc']);
  });

  test('says in spans where they come from', () => {
    const container = containerOf(render('--values', `${CHART}/ci/tracing-values.yaml`), 'gateway');
    expect(container.env).toEqual(
      expect.arrayContaining([
        { name: 'OTEL_SERVICE_NAME', value: 'weir-gateway' },
        { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector.observability:4318' },
        { name: 'OTEL_TRACES_SAMPLER', value: 'parentbased_always_on' },
      ]),
    );
    expect(container.env!.map(({ name }) => name)).not.toContain('OTEL_TRACES_SAMPLER_ARG');
    // A variable is expanded only when it stands further up.
    const names = container.env!.map(({ name }) => name);
    expect(names.indexOf('OTEL_RESOURCE_ATTRIBUTES')).toBeGreaterThan(names.indexOf('NODE_NAME'));
  });

  test('has names that fit into labels, and that two long names do not share', () => {
    const long = 'a-name-of-which-nobody-would-say-that-it-is-short';
    const names = (suffix: string): string[] =>
      render('--set', `fullnameOverride=${long}-${suffix}`)
        .filter(({ kind }) => kind === 'StatefulSet')
        .map(({ metadata }) => metadata.name);
    // A pod's revision label is the StatefulSet's name, a dash and ten characters more.
    for (const name of names('1')) expect(name.length + 11).toBeLessThanOrEqual(63);
    expect(names('1')).not.toEqual(names('2'));
  });

  test('has every dashboard and all alerts that the chart comes with, byte for byte', () => {
    const objects = render('--values', `${CHART}/ci/monitors-values.yaml`);
    const maps = objects.filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
    const shown = Object.assign({}, ...maps.map(({ data }) => data)) as Record<string, string>;
    const files = globSync(`${CHART}/files/dashboards/*.json`);
    expect(files.length).toBeGreaterThan(0);
    expect(shown).toEqual(Object.fromEntries(files.map((file) => [basename(file), readFileSync(file, 'utf8')])));
    const alerts = parse(readFileSync(`${CHART}/files/alerts.yaml`, 'utf8')) as unknown;
    expect(objects.filter(({ kind }) => kind === 'PrometheusRule').map(({ spec }) => spec)).toEqual([alerts]);
  });

  test('keeps volumes when it goes, and makes claims that no later version wants different', () => {
    const sets = [[], ['--values', `${CHART}/values-dev.yaml`]].flatMap((words) =>
      render(...words).filter(({ kind, spec }) => kind === 'StatefulSet' && 'volumeClaimTemplates' in (spec as object)),
    );
    expect(sets.map(({ metadata }) => metadata.name)).toEqual([
      'weir-etcd',
      'weir-broker',
      'weir-coordinator',
      'weir-broker',
    ]);
    for (const { spec } of sets as unknown as { spec: Record<string, unknown> }[]) {
      expect(spec['persistentVolumeClaimRetentionPolicy']).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
      expect(JSON.stringify(spec['volumeClaimTemplates'])).not.toMatch(/helm\.sh\/chart|app\.kubernetes\.io\/version/);
    }
  });
});

/** What a coordinator says of its options of the store, taken together. */
function storeProblems(service: string, values: object): string[] {
  try {
    if (service === 'coordinator') storeLocationOf(values as CoordinatorOptionValues);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** What a service makes of its command line, its environment and its file. */
function optionsOf(objects: readonly RenderedObject[], name: string, specs: OptionSpecs) {
  const { args, env } = containerOf(objects, name);
  const maps = objects.filter(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> }[];
  const [command, flag, path] = args!;
  expect([command, flag, path]).toEqual([name, '--config', `/etc/weir/${name}.yaml`]);
  const directory = mkdtempSync(join(tmpdir(), 'weir-chart-'));
  try {
    const file = join(directory, 'options.yaml');
    writeFileSync(file, maps.find(({ data }) => `${name}.yaml` in data)!.data[`${name}.yaml`]!);
    return loadOptions(specs, {
      words: [flag!, file],
      environment: environmentOf(env!, name),
      environmentPrefix: `WEIR_${name.toUpperCase()}_`,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The environment as the eighth pod of a set has it. */
function environmentOf(env: NonNullable<IContainer['env']>, component: string): Record<string, string> {
  const fields: Record<string, string> = {
    'metadata.name': `weir-${component}-7`,
    'metadata.namespace': 'streams',
    'spec.nodeName': 'node-1',
    'status.podIP': '10.0.0.7',
    "metadata.labels['apps.kubernetes.io/pod-index']": '7',
  };
  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of env) {
    environment[name] =
      value?.replaceAll(/\$\((\w+)\)/g, (_, other: string) => environment[other]!) ??
      fields[valueFrom?.fieldRef?.fieldPath ?? ''] ??
      'from elsewhere';
  }
  return environment;
}

function containerOf(objects: readonly RenderedObject[], component: string): IContainer {
  return podOf(objects, component).containers[0]!;
}

function podOf(objects: readonly RenderedObject[], component: string): IPodSpec {
  return podSpecOf(workloads(objects).find(({ metadata }) => metadata.name.endsWith(`-${component}`))!)!;
}

function workloads(objects: readonly RenderedObject[]): RenderedObject[] {
  return objects.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment');
}

function checksums(objects: readonly RenderedObject[]): Record<string, string> {
  const all = workloads(objects) as unknown as {
    metadata: { name: string };
    spec: { template: { metadata: { annotations: Record<string, string> } } };
  }[];
  return Object.fromEntries(
    all.map(({ metadata, spec }) => [
      metadata.name.replace('weir-', ''),
      spec.template.metadata.annotations['checksum/config']!,
    ]),
  );
}
