import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, tryRun } from './run.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SUITE = 'bookworm';

/** Of Debian's base system, what no program needs. Copyright notices stay. */
const NOT_NEEDED = [
  'usr/share/{man,locale,info,lintian,bash-completion,zoneinfo}/*',
  'usr/share/doc/*/!(copyright)',
  'var/cache/apt/*',
  'var/lib/apt/lists/*',
  'var/log/*',
];

/** Why a base cannot be made here, or undefined. */
export function localBaseProblem(): string | undefined {
  if (process.platform !== 'linux') return 'a base can be made on Linux only';
  if (process.getuid?.() !== 0) return 'a base can be made by root only (debootstrap)';
  if (!tryRun('debootstrap', ['--version']).ok) return 'debootstrap is not installed (apt-get install debootstrap)';
  return undefined;
}

/**
 * A base image from Debian's packages and the `node` package's binary: for machines that reach no image registry. It is
 * made once for a version of Node.
 *
 * @returns its name
 * @throws Error when it cannot be made
 */
export function localBase(say: (line: string) => void): string {
  const node = join(ROOT, 'node_modules/node/bin/node');
  const name = `weir-base:${SUITE}-node${run(node, ['--version']).trim().slice(1)}`;
  if (tryRun('docker', ['image', 'inspect', name]).ok) return name;
  const problem = localBaseProblem();
  if (problem !== undefined) throw new Error(problem);
  say(`making the base ${name} from Debian's packages (about half a minute)`);
  const directory = mkdtempSync(join(tmpdir(), 'weir-base-'));
  try {
    const root = join(directory, 'rootfs');
    run('debootstrap', ['--variant=minbase', SUITE, root]);
    for (const path of globSync(NOT_NEEDED, { cwd: root })) rmSync(join(root, path), { recursive: true, force: true });
    const context = join(directory, 'context');
    mkdirSync(context);
    // What devices there are is the container runtime's business.
    run('tar', ['-C', root, '--exclude=./dev/*', '--exclude=./proc/*', '-cf', join(context, 'rootfs.tar'), '.']);
    copyFileSync(node, join(context, 'node'));
    copyFileSync(join(ROOT, 'deploy/docker/local-base.Dockerfile'), join(context, 'Dockerfile'));
    run('docker', ['build', '--quiet', '--tag', name, context]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return name;
}
