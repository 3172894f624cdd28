import { expect, test } from 'vitest';
import { schemaProblems } from './kubernetes-types.ts';
import { podSecurityProblems } from './pod-security.ts';
import { referenceProblems } from './references.ts';
import type { RenderedObject } from './render.ts';
import { releaseProblems } from './steps.ts';

const LABELS = { 'app.kubernetes.io/component': 'broker' };

const IMAGES = { weir: 'weir:1', etcd: 'etcd:1' };

/** A small release in which all is well. */
function release() {
  const container = {
    name: 'broker',
    image: 'weir:1',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    } as Record<string, unknown>,
    ports: [{ name: 'grpc', containerPort: 7071 }] as Record<string, unknown>[],
    volumeMounts: [{ name: 'config', mountPath: '/etc/weir' }],
  };
  const pod = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    serviceAccountName: 'weir',
    securityContext: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container],
    volumes: [{ name: 'config', configMap: { name: 'broker' } }] as Record<string, unknown>[],
  };
  const set = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'broker', labels: LABELS },
    spec: {
      serviceName: 'broker',
      selector: { matchLabels: { ...LABELS } },
      template: { metadata: { labels: LABELS }, spec: pod },
    },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'broker' },
    spec: { selector: { ...LABELS }, ports: [{ name: 'grpc', port: 7071, targetPort: 'grpc' }] },
  };
  const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'broker' }, data: {} };
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'weir' } };
  const objects = (): RenderedObject[] => [set, service, config, account];
  return { set, service, config, account, pod, container, objects };
}

type Release = ReturnType<typeof release>;

test('a release in which all is well has no problems', async () => {
  const objects = release().objects();
  expect(releaseProblems(objects, IMAGES)).toEqual([]);
  expect(await schemaProblems(objects.map((object) => ({ source: 'a', object })))).toEqual([]);
});

test.for<[string, (release: Release) => void]>([
  ['automountServiceAccountToken is not false', ({ pod }) => (pod.automountServiceAccountToken = true)],
  ['enableServiceLinks is not false', ({ pod }) => (pod.enableServiceLinks = true)],
  ['hostNetwork is true', ({ pod }) => Object.assign(pod, { hostNetwork: true })],
  ['volume host is a hostPath', ({ pod }) => pod.volumes.push({ name: 'host', hostPath: { path: '/' } })],
  ['sysctls are set', ({ pod }) => Object.assign(pod.securityContext, { sysctls: [{ name: 'a', value: '1' }] })],
  ['runAsNonRoot is not true', ({ container }) => (container.securityContext['runAsNonRoot'] = false)],
  ['runAsUser is 0', ({ container }) => (container.securityContext['runAsUser'] = 0)],
  ['seccompProfile is Unconfined', ({ pod }) => (pod.securityContext.seccompProfile.type = 'Unconfined')],
  [
    'allowPrivilegeEscalation is not false',
    ({ container }) => delete container.securityContext['allowPrivilegeEscalation'],
  ],
  ['it is privileged', ({ container }) => (container.securityContext['privileged'] = true)],
  ['readOnlyRootFilesystem is not true', ({ container }) => delete container.securityContext['readOnlyRootFilesystem']],
  ['capabilities are not dropped', ({ container }) => (container.securityContext['capabilities'] = { drop: ['KILL'] })],
  [
    'capabilities are added: SYS_ADMIN',
    ({ container }) => (container.securityContext['capabilities'] = { drop: ['ALL'], add: ['SYS_ADMIN'] }),
  ],
  ['procMount is Unmasked', ({ container }) => (container.securityContext['procMount'] = 'Unmasked')],
  ['it has a hostPort', ({ container }) => container.ports.push({ containerPort: 1, hostPort: 1 })],
])('of a pod is said: %s', ([problem, spoil]) => {
  const spoiled = release();
  spoil(spoiled);
  expect(podSecurityProblems(spoiled.pod as never).join()).toContain(problem);
  expect(releaseProblems(spoiled.objects(), IMAGES)).toHaveLength(1);
});

test.for<[string, (release: Release) => void]>([
  ['Service broker: it selects nothing', ({ service }) => (service.spec.selector['app.kubernetes.io/component'] = 'x')],
  [
    'Service broker: StatefulSet broker has no port http',
    ({ service }) => (service.spec.ports[0]!.targetPort = 'http'),
  ],
  [
    'StatefulSet broker: it selects nothing',
    ({ set }) => (set.spec.selector.matchLabels['app.kubernetes.io/component'] = 'x'),
  ],
  ['StatefulSet broker: there is no Service brokers', ({ set }) => (set.spec.serviceName = 'brokers')],
  ['StatefulSet broker: there is no ConfigMap broker', ({ config }) => (config.metadata.name = 'other')],
  ['StatefulSet broker: there is no ServiceAccount weir', ({ account }) => (account.metadata.name = 'other')],
  [
    'StatefulSet broker: container broker mounts a path twice',
    ({ container }) => container.volumeMounts.push({ name: 'more', mountPath: '/etc/weir' }),
  ],
])('of a release is said: %s', ([problem, spoil]) => {
  const spoiled = release();
  spoil(spoiled);
  expect(referenceProblems(spoiled.objects()).join('\n')).toContain(problem);
});

test('an image that is not the one expected is named', () => {
  expect(releaseProblems(release().objects(), { ...IMAGES, weir: 'weir:2' })).toEqual([
    'StatefulSet broker: the image of broker is weir:1, expected weir:2',
  ]);
  const etcd = release();
  etcd.container.name = 'etcd';
  expect(releaseProblems(etcd.objects(), IMAGES)).toEqual([
    'StatefulSet broker: the image of etcd is weir:1, expected etcd:1',
  ]);
});

test('fields and kinds that Kubernetes does not know are named, and values that it does not take', async () => {
  const { set, service, container, objects } = release();
  Object.assign(container, { imagePulPolicy: 'Always' });
  Object.assign(set.spec, { replicas: 1.5 });
  service.kind = 'Servce';
  const problems = await schemaProblems(objects().map((object) => ({ source: 'a.yaml', object })));
  expect(problems.map(({ source, problem }) => `${source}: ${problem}`)).toEqual([
    expect.stringMatching(/^a\.yaml: StatefulSet broker: .*replicas must be integer/),
    'a.yaml: Servce broker: there is no kind Servce in v1',
    expect.stringMatching(/^a\.yaml: StatefulSet broker: .*imagePulPolicy.* does not exist in type/),
  ]);
});
