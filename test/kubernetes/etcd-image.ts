import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imagesWith } from '../../tools/helm/chart.ts';
import { buildEtcd, toolchainProblem } from '../etcd/build.ts';
import type { EtcdProgram } from '../etcd/build.ts';
import { run, tryRun } from './tools.ts';

const PROGRAMS: readonly EtcdProgram[] = ['etcd', 'etcdctl', 'etcdutl'];
/** Programs where etcd's own image has them, and nothing else: no shell either. */
const DOCKERFILE = `FROM scratch
COPY ${PROGRAMS.join(' ')} /usr/local/bin/
ENV PATH=/usr/local/bin
CMD ["/usr/local/bin/etcd"]
`;

/**
 * An image of etcd in the local Docker engine: the one that the chart names where it is there or can be pulled, else one
 * of the same version that is made here.
 *
 * @throws Error that says what is missing for that
 */
export async function ensureEtcdImage(say: (line: string) => void): Promise<string> {
  const image = imagesWith(undefined).etcd;
  if (tryRun('docker', ['image', 'inspect', image]).ok || tryRun('docker', ['pull', '--quiet', image]).ok) return image;
  const problem = toolchainProblem();
  if (problem !== undefined) throw new Error(`${image} cannot be pulled, and ${problem}`);
  const own = `weir-test-etcd:${image.split(':').at(-1)}`;
  say(`${image} cannot be pulled: making ${own}`);
  const context = mkdtempSync(join(tmpdir(), 'weir-etcd-image-'));
  try {
    for (const name of PROGRAMS) copyFileSync(await buildEtcd(say, name), join(context, name));
    writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
    run('docker', ['build', '--quiet', '--tag', own, context]);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  return own;
}

/** The words of `helm` for a release with this image of etcd. */
export function etcdImageWords(image: string): string[] {
  const [repository, tag] = [image.slice(0, image.lastIndexOf(':')), image.slice(image.lastIndexOf(':') + 1)];
  return ['--set', `etcd.image.repository=${repository}`, '--set', `etcd.image.tag=${tag}`];
}

/** A directory with `etcdctl` and `etcdutl`, for the path of who follows docs/OPERATIONS.md; it has to be removed. */
export async function etcdTools(say: (line: string) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-etcd-tools-'));
  for (const name of ['etcdctl', 'etcdutl'] as const) copyFileSync(await buildEtcd(say, name), join(directory, name));
  return directory;
}
