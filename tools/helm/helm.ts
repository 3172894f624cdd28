import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** What to tell somebody who has no Helm. */
export const NO_HELM = 'there is no helm: go install helm.sh/helm/v3/cmd/helm@v3.19.5 gets it';

/**
 * The Kubernetes that templates are rendered for. A Helm from `go install` takes itself for one of v1.20 when nobody
 * says otherwise, and the chart wants a newer one.
 */
const KUBE_VERSION = '1.34.0';

/** What `helm` said. */
export interface HelmResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

let search: { readonly program: string | undefined } | undefined;

/** The `helm` of the path, or the one that `go install` made; undefined where there is neither. */
export function findHelm(): string | undefined {
  search ??= { program: candidates().find((program) => spawnSync(program, ['version']).status === 0) };
  return search.program;
}

function* candidates(): Generator<string> {
  yield 'helm';
  const go = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  if (go.status === 0) yield join(go.stdout.trim(), 'bin', 'helm');
}

/** Runs `helm template` or `helm lint`. @throws Error where there is no Helm */
export function helm(command: 'template' | 'lint', words: readonly string[]): HelmResult {
  const program = findHelm();
  if (program === undefined) throw new Error(NO_HELM);
  const args = [command, '--kube-version', KUBE_VERSION, ...words];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return { ok: status === 0, stdout, stderr };
}
