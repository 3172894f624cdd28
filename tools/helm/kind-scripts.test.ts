import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IMAGE } from '../images/image.ts';

const SCRIPTS = join(import.meta.dirname, '../../deploy/kind');
/** What the scripts use of every system. */
const SYSTEM = ['bash', 'basename', 'dirname', 'grep', 'sed', 'cat'];
const PROGRAMS = ['docker', 'kind', 'kubectl', 'helm', 'curl'];

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-kind-'));
  for (const program of SYSTEM) symlinkSync(whereIs(program), join(directory, program));
  for (const program of PROGRAMS) install(program, '');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("deploy/kind's scripts", () => {
  test.for([
    ['up', 'kind', 'go install sigs.k8s.io/kind@'],
    ['up', 'docker', 'docs.docker.com'],
    ['load', 'kind', 'go install'],
    ['install', 'helm', 'go install helm.sh/helm'],
    ['install', 'kubectl', 'kubernetes.io/docs'],
    ['smoke', 'helm', 'go install helm.sh/helm'],
    ['down', 'kind', 'go install'],
  ] as const)('%s without %s says where to get it', ([script, program, advice]) => {
    rmSync(join(directory, program));
    const { status, said } = run(script);
    expect(status).toBe(1);
    expect(said).toContain(`${script}: ${program} is not installed: `);
    expect(said).toContain(advice);
  });

  test('up makes a cluster where there is none, and leaves one that is there', () => {
    expect(run('up').status).toBe(0);
    expect(calls('kind')).toContain(`create cluster --name weir --config ${SCRIPTS}/cluster.yaml`);
    install('kind', 'echo weir');
    const again = run('up');
    expect(again.status).toBe(0);
    expect(again.said).toContain('is there already');
    expect(calls('kind')).toEqual(['get clusters']);
  });

  test('a cluster whose name only begins alike is not ours', () => {
    install('kind', 'echo weir-of-somebody-else');
    run('down');
    expect(calls('kind')).toEqual(['get clusters']);
  });

  test('load wants a cluster and an image, and takes the one that the chart names', () => {
    expect(run('load')).toEqual({ status: 1, said: expect.stringContaining('deploy/kind/up makes it') });
    install('kind', 'echo weir');
    install('docker', 'exit 1');
    expect(run('load')).toEqual({ status: 1, said: expect.stringContaining(`no image ${IMAGE}: npm run images`) });
    install('docker', '');
    expect(run('load').status).toBe(0);
    expect(calls('kind')).toContain(`load docker-image ${IMAGE} --name weir`);
  });

  test('install asks first whether the cluster answers, and hands words on to helm', () => {
    install('kubectl', 'exit 1');
    expect(run('install')).toEqual({ status: 1, said: expect.stringContaining('kind-weir does not answer') });
    install('kubectl', '');
    expect(run('install', '--set', 'gateway.replicas=1').status).toBe(0);
    expect(calls('helm')).toEqual([expect.stringMatching(/^upgrade weir .* --install .* --set gateway\.replicas=1$/)]);
  });

  test('smoke ends with 1 when a record does not come back, and deletes its topic all the same', () => {
    install('curl', 'echo "{\\"records\\": []}"');
    expect(run('smoke')).toEqual({ status: 1, said: expect.stringContaining('does not give back') });
    expect(calls('curl').at(-1)).toContain('--request DELETE http://127.0.0.1:30080/v1/topics/smoke-');
  });

  test('down deletes the cluster, and has nothing to do where there is none', () => {
    expect(run('down')).toEqual({ status: 0, said: expect.stringContaining('there is no cluster weir') });
    install('kind', 'echo weir');
    expect(run('down').status).toBe(0);
    expect(calls('kind')).toContain('delete cluster --name weir');
  });
});

/** Puts a program there that notes what it is called with, and then does this. */
function install(program: string, script: string): void {
  writeFileSync(notes(program), '');
  writeFileSync(join(directory, program), `#!/usr/bin/env bash\necho "$*" >>${notes(program)}\n${script}\n`, {
    mode: 0o755,
  });
}

function calls(program: string): string[] {
  return readFileSync(notes(program), 'utf8').trim().split('\n');
}

function notes(program: string): string {
  return join(directory, `${program}.calls`);
}

function run(script: string, ...words: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('bash', [join(SCRIPTS, script), ...words], {
    encoding: 'utf8',
    env: { PATH: directory },
  });
  return { status, said: stdout + stderr };
}

function whereIs(program: string): string {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
}
