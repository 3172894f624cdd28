import { parseAllDocuments } from 'yaml';
import { CHART } from './chart.ts';
import { helm } from './helm.ts';

/** An object as it would be sent to Kubernetes. */
export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Kinds that clusters have only with the Prometheus operator. */
const OPERATOR_KINDS = ['PodMonitor', 'PrometheusRule'];

/**
 * The objects of a release with these words of `helm template`, as `--values FILE`.
 *
 * @throws Error with Helm's message, and for what is no object
 */
export function render(...words: readonly string[]): RenderedObject[] {
  const kinds = OPERATOR_KINDS.flatMap((kind) => ['--api-versions', `monitoring.coreos.com/v1/${kind}`]);
  const { ok, stdout, stderr } = helm('template', ['weir', CHART, '--namespace', 'streams', ...kinds, ...words]);
  if (!ok) throw new Error(stderr.trim());
  return parseAllDocuments(stdout).flatMap((document) => {
    // A key that is there twice is an error here, and nowhere else.
    const [problem] = document.errors;
    if (problem !== undefined) throw new Error(problem.message);
    const object = document.toJS() as RenderedObject | null;
    if (object === null) return [];
    if (typeof object.kind !== 'string' || typeof object.metadata?.name !== 'string') {
      throw new Error(`no object with kind and metadata.name: ${JSON.stringify(object).slice(0, 200)}`);
    }
    return [object];
  });
}

/** For messages: StatefulSet weir-broker. */
export function titleOf(object: RenderedObject): string {
  return `${object.kind} ${object.metadata.name}`;
}
