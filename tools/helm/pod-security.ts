import type { IContainer, IPodSpec } from 'kubernetes-models/v1';
import type { RenderedObject } from './render.ts';

/** What a pod may mount under the restricted Pod Security Standard. */
const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/** The pod of an object that makes pods, or is one. */
export function podSpecOf(object: RenderedObject): IPodSpec | undefined {
  const { spec } = object as unknown as { spec?: IPodSpec & { template?: { spec?: IPodSpec } } };
  if (object.kind === 'Pod') return spec;
  return spec?.template?.spec;
}

/**
 * What keeps a pod from a namespace that enforces the restricted Pod Security Standard
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/), and what Weir wants beyond it: a read-only root
 * file system, no token of the API, and no variables of other people's Services.
 */
export function podSecurityProblems(pod: IPodSpec): string[] {
  const problems: string[] = [];
  const expect = (holds: boolean, problem: string): void => void (holds || problems.push(problem));
  expect(pod.automountServiceAccountToken === false, 'automountServiceAccountToken is not false');
  expect(pod.enableServiceLinks === false, 'enableServiceLinks is not false');
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC'] as const) expect(pod[name] !== true, `${name} is true`);
  for (const volume of pod.volumes ?? []) {
    const [type] = Object.keys(volume).filter((key) => key !== 'name');
    expect(VOLUMES.includes(type ?? 'none'), `volume ${volume.name} is a ${type}`);
  }
  const { securityContext: security } = pod;
  expect((security?.sysctls ?? []).length === 0, 'sysctls are set');
  expect(security?.seLinuxOptions === undefined, 'seLinuxOptions are set');
  expect(security?.windowsOptions?.hostProcess !== true, 'it is a hostProcess');
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    problems.push(
      ...containerProblems(container, security).map((problem) => `container ${container.name}: ${problem}`),
    );
  }
  return problems;
}

function containerProblems({ securityContext: own, ports }: IContainer, pod: IPodSpec['securityContext']): string[] {
  const runAsUser = own?.runAsUser ?? pod?.runAsUser;
  const seccomp = (own?.seccompProfile ?? pod?.seccompProfile)?.type;
  const added = own?.capabilities?.add ?? [];
  const checks: [boolean, string][] = [
    [own?.allowPrivilegeEscalation === false, 'allowPrivilegeEscalation is not false'],
    [own?.privileged !== true, 'it is privileged'],
    [own?.readOnlyRootFilesystem === true, 'readOnlyRootFilesystem is not true'],
    [own?.capabilities?.drop?.includes('ALL') === true, 'capabilities are not dropped'],
    [added.every((capability) => capability === 'NET_BIND_SERVICE'), `capabilities are added: ${added.join(', ')}`],
    [(own?.runAsNonRoot ?? pod?.runAsNonRoot) === true, 'runAsNonRoot is not true'],
    [runAsUser !== undefined && runAsUser !== 0, `runAsUser is ${runAsUser}`],
    [seccomp === 'RuntimeDefault' || seccomp === 'Localhost', `seccompProfile is ${seccomp}`],
    [own?.procMount === undefined || own.procMount === 'Default', `procMount is ${own?.procMount}`],
    [(ports ?? []).every(({ hostPort }) => hostPort === undefined), 'it has a hostPort'],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem);
}
