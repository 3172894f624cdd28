import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Tells the program in the sandbox that it is there. */
const INSIDE = 'WEIR_FAULTS_INSIDE';

/** Whether this process has its network, its mounts and its process ids for itself. */
export const isInside = process.env[INSIDE] === '1';

/**
 * Runs this program once more with a network, mounts and process ids of its own: when it is gone, however it ended, the kernel
 * takes down its bridge, its namespaces, its mounts and all processes that it has started.
 *
 * @returns its exit code
 */
export async function runInside(): Promise<number> {
  const [program, ...words] = unshareWith(process.execPath, [...process.execArgv, ...process.argv.slice(1)]);
  const child = spawn(program!, words, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  // A terminal tells both; who tells this one alone means the other.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => forward(child.pid!, signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Why there can be no sandbox, or undefined. */
export function sandboxProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'it makes network namespaces: run it as root';
  const programs = {
    setpriv: 'util-linux',
    unshare: 'util-linux',
    nsenter: 'util-linux',
    ip: 'iproute2',
    tc: 'iproute2',
  };
  for (const [program, from] of Object.entries({ ...programs, iptables: 'iptables' })) {
    if (!succeeds('sh', ['-c', `command -v ${program}`])) return `there is no ${program}: install ${from}`;
  }
  const [program, ...words] = unshareWith('ip', ['link', 'add', 'probe', 'type', 'bridge']);
  return succeeds(program!, words) ? undefined : 'this kernel or container lets nobody make network namespaces';
}

function unshareWith(program: string, words: readonly string[]): string[] {
  const sandbox = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  return ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...sandbox, program, ...words];
}

/** To the program in the sandbox: `unshare`, which waits for it, passes nothing on. */
function forward(unshare: number, signal: NodeJS.Signals): void {
  const [child] = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').split(' ');
  if (child !== undefined && child !== '') process.kill(Number(child), signal);
}

function succeeds(program: string, words: readonly string[]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
