import type { IPodSpec, IServiceSpec } from 'kubernetes-models/v1';
import { podSpecOf } from './pod-security.ts';
import type { RenderedObject } from './render.ts';
import { titleOf } from './render.ts';

/** Labels that a pod of a release has by its nature. */
type Labels = Readonly<Record<string, string>>;

interface PodMaker {
  readonly title: string;
  readonly labels: Labels;
  readonly pod: IPodSpec;
}

/** What points to something in the same release that is not there, or points to too much. */
export function referenceProblems(objects: readonly RenderedObject[]): string[] {
  const makers = objects.flatMap((object): PodMaker[] => {
    const pod = podSpecOf(object);
    return pod === undefined ? [] : [{ title: titleOf(object), labels: podLabelsOf(object), pod }];
  });
  return objects.flatMap((object) => {
    const problems = [...selectorProblems(object, makers), ...nameProblems(object, objects)];
    return problems.map((problem) => `${titleOf(object)}: ${problem}`);
  });
}

function podLabelsOf({ kind, metadata, spec }: RenderedObject): Labels {
  if (kind === 'Pod') return metadata.labels ?? {};
  return (spec as { template: { metadata: { labels?: Labels } } }).template.metadata.labels ?? {};
}

/** Selectors find the pods of exactly one maker; a PodMonitor's find those of all three services. */
function selectorProblems(object: RenderedObject, makers: readonly PodMaker[]): string[] {
  const labels = selectorOf(object);
  if (labels === undefined) return [];
  const found = makers.filter((maker) => Object.entries(labels).every(([name, value]) => maker.labels[name] === value));
  if (object.kind === 'PodMonitor') return found.length >= 3 ? [] : [`it selects ${titles(found)}`];
  if (found.length !== 1) return [`it selects ${titles(found)}, and should select the pods of one`];
  const [{ title, pod }] = found as [PodMaker];
  if (object.kind === 'StatefulSet' || object.kind === 'Deployment') {
    return title === titleOf(object) ? [] : [`it selects the pods of ${title}`];
  }
  if (object.kind !== 'Service') return [];
  const names = new Set(pod.containers.flatMap(({ ports }) => (ports ?? []).map(({ name }) => name)));
  return ((object['spec'] as IServiceSpec).ports ?? []).flatMap(({ targetPort }) =>
    typeof targetPort === 'string' && names.has(targetPort) ? [] : [`${title} has no port ${targetPort}`],
  );
}

function titles(makers: readonly PodMaker[]): string {
  return makers.length === 0 ? 'nothing' : makers.map(({ title }) => title).join(' and ');
}

/** The labels by which an object finds pods, or undefined when it finds none. */
function selectorOf({ kind, spec }: RenderedObject): Labels | undefined {
  const { selector, podSelector } = (spec ?? {}) as {
    selector?: Labels & { readonly matchLabels?: Labels };
    podSelector?: { readonly matchLabels?: Labels };
  };
  switch (kind) {
    case 'Service':
      return selector ?? {};
    case 'NetworkPolicy':
      return podSelector?.matchLabels ?? {};
    case 'StatefulSet':
    case 'Deployment':
    case 'PodDisruptionBudget':
    case 'PodMonitor':
      return selector?.matchLabels ?? {};
    default:
      return undefined;
  }
}

/** Mounted ConfigMaps of the release, its accounts and a StatefulSet's Service exist. */
function nameProblems(object: RenderedObject, objects: readonly RenderedObject[]): string[] {
  const pod = podSpecOf(object);
  if (pod === undefined) return [];
  const exists = (kind: string, name: string | undefined): boolean =>
    objects.some((other) => other.kind === kind && other.metadata.name === name);
  const problems: string[] = [];
  const own = (pod.volumes ?? []).find(({ name }) => name === 'config' || name === 'scripts')?.configMap?.name;
  if (!exists('ConfigMap', own)) problems.push(`there is no ConfigMap ${own}`);
  const makesAccounts = objects.some(({ kind }) => kind === 'ServiceAccount');
  if (makesAccounts && !exists('ServiceAccount', pod.serviceAccountName)) {
    problems.push(`there is no ServiceAccount ${pod.serviceAccountName}`);
  }
  if (object.kind === 'StatefulSet') {
    const { serviceName } = object['spec'] as { readonly serviceName: string };
    if (!exists('Service', serviceName)) problems.push(`there is no Service ${serviceName}`);
  }
  for (const { name, volumeMounts } of pod.containers) {
    const paths = (volumeMounts ?? []).map(({ mountPath }) => mountPath);
    if (new Set(paths).size !== paths.length) problems.push(`container ${name} mounts a path twice`);
  }
  return problems;
}
