import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { preferPrograms, ROOT, run, tryRun } from './tools.ts';

/** A Kubernetes cluster for the test, which has the image on its nodes. */
export interface TestCluster {
  /** For the report. */
  readonly name: string;
  /** Puts an image of the local Docker engine where the cluster's nodes find it. */
  load(image: string): void;
}

/** What the command line says of the cluster. */
export interface ClusterChoice {
  readonly kubeconfig: string | undefined;
  /** A command that makes an image known to the nodes; the image's name is put behind it. */
  readonly load: string | undefined;
}

/** A local Kubernetes that some checkouts have beside them: `up` starts it, `load-image` fills it. */
const LOCAL = join(ROOT, '../shared/k8s');

/**
 * The cluster of a kubeconfig that is given (`--kubeconfig` or KUBECONFIG), or the local one beside the checkout, which
 * is started.
 *
 * @throws Error that says what is missing
 */
export function chooseCluster({ kubeconfig, load }: ClusterChoice, say: (line: string) => void): TestCluster {
  const given = kubeconfig ?? process.env['KUBECONFIG'];
  if (given !== undefined && given !== '') return givenCluster(given, load);
  if (!existsSync(join(LOCAL, 'up'))) {
    throw new Error(
      'no cluster: give one with --kubeconfig FILE or KUBECONFIG (deploy/kind/up makes one), and how its nodes get an ' +
        'image, as --load "kind load docker-image --name weir"',
    );
  }
  say('starting the local Kubernetes');
  const exported = /^export KUBECONFIG=(\S+) PATH=([^:]+):/m.exec(run(join(LOCAL, 'up'), []));
  if (exported === null) throw new Error(`${join(LOCAL, 'up')} does not say how to reach its cluster`);
  process.env['KUBECONFIG'] = exported[1]!;
  preferPrograms(exported[2]!);
  return { name: 'the local Kubernetes', load: (image) => void run(join(LOCAL, 'load-image'), [image]) };
}

function givenCluster(kubeconfig: string, load: string | undefined): TestCluster {
  process.env['KUBECONFIG'] = kubeconfig;
  preferPrograms(join(dirname(kubeconfig), 'bin'));
  return {
    name: `the cluster of ${kubeconfig}`,
    load(image) {
      if (load === undefined) return;
      const [program, ...words] = load.split(' ');
      run(program!, [...words, image]);
    },
  };
}

/** What cannot be done without, as sentences; empty when everything is there. */
export function missingPrograms(): string[] {
  const advice: Readonly<Record<string, [readonly string[], string]>> = {
    kubectl: [['version', '--client'], 'https://kubernetes.io/docs/tasks/tools/'],
    helm: [['version'], 'go install helm.sh/helm/v3/cmd/helm@v3.19.5, or https://helm.sh/docs/intro/install/'],
  };
  return Object.entries(advice)
    .filter(([program, [words]]) => !tryRun(program, words).ok)
    .map(([program, [, how]]) => `${program} is not installed: ${how}`);
}
