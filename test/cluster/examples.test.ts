import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { endWithUs } from '../harness/end-with-us.ts';
import { DevCluster } from './dev-cluster.ts';

type Example = 'metrics' | 'logs' | 'words';
const EXAMPLES: readonly Example[] = ['metrics', 'logs', 'words'];
/** Only a hang takes so long. */
const TEST_MS_MAX = 60_000;
const cluster = new DevCluster();
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

/** An example as `npm run example:NAME` runs it, beside this file's cluster. */
function start(example: Example, ...words: string[]) {
  const main = fileURLToPath(new URL(`../../examples/${example}/main.ts`, import.meta.url));
  const gateway = example === 'metrics' ? ['--gateway', cluster.url] : [];
  const where = ['--coordinators', cluster.service('coordinator').grpc!, ...gateway];
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache') };
  const child = spawn(process.execPath, [main, ...where, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env });
  endWithUs(child);
  const result = { code: null as number | null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.err += chunk.toString()));
  const ended = new Promise<typeof result>((resolve) => {
    child.once('close', (code) => resolve(Object.assign(result, { code })));
  });
  return { child, result, ended };
}

const run = (example: Example, ...words: string[]) => start(example, ...words).ended;

async function topics(): Promise<string[]> {
  const { topics: found } = (await (await fetch(`${cluster.url}/v1/topics`)).json()) as { topics: { name: string }[] };
  return found.map(({ name }) => name).filter((name) => !name.startsWith('__'));
}

describe('the examples of consumer groups', { timeout: TEST_MS_MAX }, () => {
  test('metrics: what a group of changing aggregators has published is what the hosts have sent, each minute once', async () => {
    const { code, out, err } = await run('metrics');
    expect([code, err], out).toEqual([0, '']);
    const [, right, expected, samples] = /^(\d+) of (\d+) aggregates are right, with (\d+) samples/m.exec(out)!;
    // Twelve samples a minute, of sixty hosts.
    expect([right, Number(samples)]).toEqual([expected, 12 * Number(expected)]);
    expect(Number(expected) % 60).toBe(0);
    expect(Number(expected)).toBeGreaterThan(120);
    expect(out.match(/^.*aggregator-\d has read \d+ samples.* published [1-9]\d* aggregates$/gm)).toHaveLength(3);
    expect(out).toContain('; 0 problems');
  });

  test('logs: lines that were made up go through the pipe, and the group finds those that match', async () => {
    const { code, out, err } = await run('logs', '--source', 'generator', '--pattern', '^.* error: ', '--show', '2');
    expect([code, err], out).toEqual([0, '']);
    expect(out).toContain('no log of this machine, but 5000 lines');
    expect(out.match(/^ {2}searcher-[123]: \S+ weir \S+: error: gate 3 does not close$/gm)).toHaveLength(2);
    expect(out).toMatch(/^5000 were read after \d+\.\d\d s/m);
    expect(out).toMatch(/^42 match$/m);
  });

  test("logs: this machine's own lines go the same way, wherever they are", async () => {
    const { code, out, err } = await run('logs', '--lines', '200', '--pattern', '.', '--show', '0');
    expect([code, err], out).toEqual([0, '']);
    const [, read] = /^(\d+) were read after/m.exec(out)!;
    expect(Number(read)).toBeGreaterThan(0);
  });

  test('words: a counter crashes between publishing and committing, and every word is counted once', async () => {
    const { code, out, err } = await run('words');
    expect([code, err], out).toEqual([0, '']);
    expect(out).toContain('counter-1 was killed, after it had published counts and before it had committed');
    expect(out).toMatch(/^\d+ words counted, \d+ different ones; [1-9]\d* were read again .*; 0 problems$/m);
  });

  test.each(EXAMPLES)('%s: on Ctrl-C it ends with 130, and leaves no topic', async (example) => {
    const { child, result, ended } = start(example);
    await vi.waitUntil(async () => (await topics()).length > 0, { timeout: 20_000 });
    child.kill('SIGINT');
    expect([(await ended).code, result.err]).toEqual([130, '']);
    expect(await topics()).toEqual([]);
  });

  test.each(EXAMPLES)('%s: an option that does not exist is refused with those that do', async (example) => {
    const { code, err } = await run(example, '--colour', 'red');
    expect(code).toBe(2);
    expect(err).toContain("'--colour'");
    expect(err).toContain(`npm run example:${example} -- [--coordinators HOST:PORT,…]`);
  });

  test.each(EXAMPLES)('%s: without Weir it says so and ends with 1', async (example) => {
    const { code, err } = await run(example, '--coordinators', '127.0.0.1:1');
    expect(code).toBe(1);
    expect(err).toBe(`${example}: no coordinator answers at 127.0.0.1:1: start one with "npm start"\n`);
  });
});
