import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

interface Entry {
  kind: string;
  id: string;
  pid: number;
  args: string[];
  grpc?: string;
  http?: string;
  ops: string;
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
let directory: string;
let children: ChildProcess[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-dev-test-'));
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map((child) => end(child, 'SIGKILL')));
  rmSync(directory, { recursive: true });
});

function weir(...words: string[]) {
  const child = spawn(process.execPath, [MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache') },
  });
  children.push(child);
  const run = { child, output: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (run.output += chunk.toString()));
  return run;
}

/** Ends a process; returns its exit code. */
function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill(signal);
  return exited;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

const clusterFile = (): string => join(directory, 'cluster.json');

function services(): Entry[] {
  return (JSON.parse(readFileSync(clusterFile(), 'utf8')) as { services: Entry[] }).services;
}

const answers = (address: string): Promise<boolean> =>
  fetch(`http://${address}/readyz`).then(
    (response) => response.ok,
    () => false,
  );

async function dev(...words: string[]) {
  const run = weir('dev', '--data-dir', directory, '--ports', 'auto', ...words);
  await until(() => {
    if (run.child.exitCode !== null) throw new Error(run.output);
    return run.output.includes('Ctrl-C');
  });
  return run;
}

test('it says where everything is, stops on the first of two hasty interrupts, and takes cluster.json away', async () => {
  const run = await dev('--brokers', '2');
  const running = services();
  expect(running.map(({ kind, id, pid }) => [kind, id, pid])).toEqual([
    ['coordinator', '1', run.child.pid],
    ['broker', '1', run.child.pid],
    ['broker', '2', run.child.pid],
    ['gateway', 'gw-1', run.child.pid],
  ]);
  for (const { ops, args } of running) {
    expect(await answers(ops)).toBe(true);
    expect(args).toContain(ops);
  }
  expect(run.output).toContain(`http://${running[3]!.http}/v1/topics/demo/records`);
  run.child.kill('SIGINT');
  expect(await end(run.child, 'SIGINT')).toBe(0);
  expect(existsSync(clusterFile())).toBe(false);
}, 30_000);

test('separate services outlive one another, can be started again by their words, and end with their parent', async () => {
  const run = await dev('--separate');
  const broker = services().find(({ kind }) => kind === 'broker')!;
  const others = services().filter(({ kind }) => kind !== 'broker');
  expect(new Set(services().map(({ pid }) => pid)).size).toBe(3);
  process.kill(broker.pid, 'SIGKILL');
  await until(() => run.output.includes(`broker 1 (process ${broker.pid}) is gone: it ended with SIGKILL`));
  for (const { ops } of others) expect(await answers(ops)).toBe(true);
  const again = weir(...broker.args);
  await until(() => answers(broker.ops));
  expect(await end(again.child, 'SIGTERM')).toBe(0);
  await end(run.child, 'SIGKILL');
  for (const { ops } of others) await until(async () => !(await answers(ops)));
}, 30_000);

test('an address that is taken stops the start and names the address', async () => {
  await dev();
  const { ops } = services()[0]!;
  const second = weir('dev', '--data-dir', join(directory, 'second'), '--ports', 'auto', '--broker.ops-listen', ops);
  await until(() => second.child.exitCode !== null);
  expect(second.child.exitCode).toBe(1);
  expect(second.output).toContain(`broker 1 does not start: cannot listen on ${ops}`);
  expect(existsSync(clusterFile())).toBe(true);
}, 30_000);
