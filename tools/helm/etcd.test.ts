import { readFileSync } from 'node:fs';
import type { IPodSpec } from 'kubernetes-models/v1';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ETCD_VERSION_MIN, isVersionAtLeast } from '../../services/coordinator/src/store/etcd/version.ts';
import { CHART } from './chart.ts';
import { findHelm, NO_HELM } from './helm.ts';
import { podSpecOf } from './pod-security.ts';
import { render } from './render.ts';
import type { RenderedObject } from './render.ts';

const noHelm = findHelm() === undefined;
if (noHelm) console.warn(`skipped, what the chart makes of etcd: ${NO_HELM}`);

const VALUES = parse(readFileSync(`${CHART}/values.yaml`, 'utf8')) as { etcd: { image: { tag: string } } };

test("etcd's version is one that coordinators take, and the one that the tests build", () => {
  const version = VALUES.etcd.image.tag.replace('v', '');
  expect(isVersionAtLeast(version, ETCD_VERSION_MIN)).toBe(true);
  expect(readFileSync('test/etcd/server/go.mod', 'utf8')).toContain(`go.etcd.io/etcd/server/v3 v${version} `);
});

describe.skipIf(noHelm)('an etcd of the release', () => {
  test('has a file for each member, which names all of them by addresses that stay', () => {
    const files = filesOf(render());
    const names = ['weir-etcd-0', 'weir-etcd-1', 'weir-etcd-2'];
    expect(Object.keys(files)).toEqual(names.map((name) => `${name}.yaml`));
    for (const name of names) {
      const host = `${name}.weir-etcd.streams.svc.cluster.local`;
      expect(files[`${name}.yaml`]).toEqual({
        name,
        'data-dir': '/var/lib/etcd/data',
        'listen-client-urls': 'http://0.0.0.0:2379',
        'advertise-client-urls': `http://${host}:2379`,
        'listen-peer-urls': 'http://0.0.0.0:2380',
        'initial-advertise-peer-urls': `http://${host}:2380`,
        'listen-metrics-urls': 'http://0.0.0.0:2381',
        'initial-cluster': names
          .map((each) => `${each}=http://${each}.weir-etcd.streams.svc.cluster.local:2380`)
          .join(),
        'initial-cluster-token': 'streams-weir',
        'initial-cluster-state': 'new',
        'quota-backend-bytes': 768 * 1024 ** 2,
        'auto-compaction-retention': '0',
      });
    }
    expect(podOf(render(), 'etcd').containers[0]!.command).toEqual([
      '/usr/local/bin/etcd',
      '--config-file',
      '/etc/weir/$(POD_NAME).yaml',
    ]);
  });

  test('is what its coordinators go to', () => {
    expect(storeOf(render())).toEqual({
      store: `etcd:${[0, 1, 2].map((i) => `http://weir-etcd-${i}.weir-etcd.streams.svc.cluster.local:2379`).join()}`,
    });
  });

  test('has one member join the others, and no pod is rolled for it', () => {
    const before = render();
    const after = render('--set', 'etcd.joiningPod=weir-etcd-1');
    const states = Object.values(filesOf(after)).map((file) => file['initial-cluster-state']);
    expect(states).toEqual(['new', 'existing', 'new']);
    expect(after.filter(({ kind }) => kind !== 'ConfigMap')).toEqual(before.filter(({ kind }) => kind !== 'ConfigMap'));
  });

  test('rolls its members, and nothing else, when its settings change', () => {
    const changed = render('--set', 'etcd.config.snapshot-count=5000');
    const before = render();
    const different = changed.filter((object, i) => JSON.stringify(object) !== JSON.stringify(before[i]));
    expect(different.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      ['ConfigMap', 'weir-etcd'],
      ['StatefulSet', 'weir-etcd'],
    ]);
  });

  test('prefers a node for each member, demands it, or leaves it to the values', () => {
    const affinityOf = (...words: string[]): object => podOf(render(...words), 'etcd').affinity!.podAntiAffinity!;
    expect(affinityOf()).toHaveProperty('preferredDuringSchedulingIgnoredDuringExecution');
    expect(affinityOf('--set', 'etcd.scheduling=hard')).toHaveProperty(
      'requiredDuringSchedulingIgnoredDuringExecution',
    );
    const own = affinityOf('--values', `${CHART}/ci/overrides-values.yaml`);
    expect(JSON.stringify(own)).toContain('topology.kubernetes.io/zone');
    expect(JSON.stringify(own)).not.toContain('hostname');
  });

  test('loses one member at a time to drains, and none while another one is not well', () => {
    const budgets = render().filter(({ kind }) => kind === 'PodDisruptionBudget') as unknown as {
      metadata: { name: string };
      spec: object;
    }[];
    const { spec } = budgets.find(({ metadata }) => metadata.name === 'weir-etcd')!;
    expect(spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'IfHealthyBudget' });
  });

  test('is reached by coordinators and its own members alone', () => {
    for (const source of ['nobody', 'networkpolicy']) {
      const { spec } = render('--values', `${CHART}/ci/${source}-values.yaml`).find(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'weir-etcd',
      ) as unknown as { spec: { ingress: { ports: { port: string }[]; from: { podSelector: Selector }[] }[] } };
      const own = spec.ingress.filter(({ ports }) => ports[0]!.port !== 'ops');
      expect(own.map(({ ports, from }) => [ports[0]!.port, from.map(componentOf)])).toEqual([
        ['client', ['coordinator']],
        ['peer', ['etcd']],
      ]);
    }
  });

  test('is scraped with the others', () => {
    const { spec } = render('--values', `${CHART}/ci/monitors-values.yaml`).find(
      ({ kind }) => kind === 'PodMonitor',
    ) as unknown as { spec: { selector: { matchExpressions: { values: string[] }[] } } };
    expect(spec.selector.matchExpressions[0]!.values).toEqual(['etcd', 'coordinator', 'broker', 'gateway']);
  });
});

describe.skipIf(noHelm)('coordinators', () => {
  test('have a volume with SQLite, and none with etcd', () => {
    const mounts = (...words: string[]): string[] =>
      podOf(render(...words), 'coordinator').containers[0]!.volumeMounts!.map(({ name }) => name);
    expect(mounts()).toEqual(['config', 'tmp']);
    expect(mounts('--values', `${CHART}/values-dev.yaml`)).toEqual(['config', 'tmp', 'data']);
    expect(storeOf(render('--values', `${CHART}/values-dev.yaml`))).toEqual({
      store: 'sqlite:/var/lib/weir/coordinator/metadata.db',
    });
  });

  test('are told of an etcd that is there already, with just those files of its Secret that are named', () => {
    const objects = render('--values', `${CHART}/ci/etcd-external-values.yaml`);
    expect(storeOf(objects)).toEqual({
      store: `etcd:${[0, 1, 2].map((i) => `https://etcd-${i}.etcd.databases.svc:2379`).join()}`,
      'etcd-prefix': '/streams/weir',
      'etcd-ca': '/etc/weir-etcd/ca',
      'etcd-certificate': '/etc/weir-etcd/certificate',
      'etcd-key': '/etc/weir-etcd/key',
      'etcd-password-file': '/etc/weir-etcd/password',
    });
    const { containers, volumes } = podOf(objects, 'coordinator');
    expect(volumes).toContainEqual({
      name: 'etcd',
      secret: {
        secretName: 'weir-etcd-client',
        items: [
          { key: 'ca.crt', path: 'ca' },
          { key: 'tls.crt', path: 'certificate' },
          { key: 'tls.key', path: 'key' },
          { key: 'password', path: 'password' },
        ],
      },
    });
    expect(containers[0]!.volumeMounts).toContainEqual({ name: 'etcd', mountPath: '/etc/weir-etcd', readOnly: true });
    expect(containers[0]!.env).toContainEqual({
      name: 'WEIR_COORDINATOR_ETCD_USER',
      valueFrom: { secretKeyRef: { name: 'weir-etcd-client', key: 'username' } },
    });
    expect(objects.filter(({ metadata }) => metadata.name.endsWith('-etcd'))).toEqual([]);
    // Nobody but them gets at the Secret.
    expect(JSON.stringify(podOf(objects, 'broker'))).not.toContain('weir-etcd-client');
  });

  test('go to an etcd without TLS and users with nothing but its address', () => {
    const objects = render('--values', `${CHART}/ci/etcd-plain-values.yaml`);
    expect(storeOf(objects)).toEqual({ store: 'etcd:http://etcd.databases:2379', 'etcd-prefix': '/weir' });
    expect(JSON.stringify(podOf(objects, 'coordinator'))).not.toContain('secret');
  });

  test('reach each other, where NetworkPolicies say who reaches whom', () => {
    const { spec } = render('--values', `${CHART}/ci/networkpolicy-values.yaml`).find(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'weir-coordinator',
    ) as unknown as {
      spec: {
        ingress: { from: { podSelector: Selector }[] }[];
        egress: { ports: { port: number }[]; to?: { podSelector?: Selector }[] }[];
      };
    };
    expect(spec.ingress[0]!.from.map(componentOf).slice(0, 4)).toEqual(['coordinator', 'broker', 'gateway', 'test']);
    const out = spec.egress.filter(({ to }) => to?.[0]?.podSelector !== undefined);
    expect(out.map(({ ports, to }) => [ports[0]!.port, componentOf(to![0] as { podSelector: Selector })])).toEqual([
      [2379, 'etcd'],
      [7070, 'coordinator'],
    ]);
  });
});

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

function componentOf({ podSelector }: { podSelector: Selector }): string | undefined {
  return podSelector.matchLabels['app.kubernetes.io/component'];
}

/** The members' files, read. */
function filesOf(objects: readonly RenderedObject[]): Record<string, Record<string, unknown>> {
  const { data } = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'weir-etcd',
  ) as unknown as { data: Record<string, string> };
  return Object.fromEntries(Object.entries(data).map(([name, text]) => [name, parse(text) as Record<string, unknown>]));
}

/** What a coordinator's file says of the store. */
function storeOf(objects: readonly RenderedObject[]): Record<string, unknown> {
  const { data } = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'weir-coordinator',
  ) as unknown as { data: Record<string, string> };
  const options = parse(data['coordinator.yaml']!) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(options).filter(([name]) => /^(store|etcd-)/.test(name)));
}

function podOf(objects: readonly RenderedObject[], component: string): IPodSpec {
  const makers = objects.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment');
  // Another release's name may be before it.
  return podSpecOf(makers.find(({ metadata }) => metadata.name.endsWith(`-${component}`))!)!;
}
