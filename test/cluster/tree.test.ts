import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { SESSION_REATTACH_MS } from '@weir/base/limits.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { campaign, leaderOf } from '../../examples/election/election.ts';
import { withLock } from '../../examples/election/lock.ts';
import { FencedRegister } from '../../examples/election/register.ts';
import { DevCluster } from './dev-cluster.ts';

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../examples/election/main.ts', import.meta.url));
const cluster = new DevCluster();
const clients: NamespaceClient[] = [];
beforeAll(() => cluster.start());
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await cluster.remove();
});

const coordinator = (): string => cluster.service('coordinator').grpc!;

function connect(name: string): NamespaceClient {
  const client = new NamespaceClient({ coordinators: [coordinator()], name }, clientWorld);
  clients.push(client);
  return client;
}

/** A program of this repository that runs. */
function run(program: string, words: string[], input = '') {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'weir-test-compile-cache') };
  const child = spawn(process.execPath, [program, ...words], { env });
  const result = { code: null as number | null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.err += chunk.toString()));
  const ended = new Promise<typeof result>((resolve) => {
    child.once('close', (code) => resolve(Object.assign(result, { code })));
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return { result, ended, child };
}

const tree = (...words: string[]) => run(MAIN, ['tree', ...words, '--coordinators', coordinator()]);

describe('the namespace of a running cluster', () => {
  test('the command line creates, reads, replaces, lists, watches and deletes nodes', async () => {
    const watch = tree('watch', '/cli', '-n', '4', '-o', 'json');
    await vi.waitUntil(() => watch.result.err.includes('watching from'), { timeout: 20_000 });
    expect(await tree('create', '/cli/a', '--data', 'one', '--parents').ended).toMatchObject({ code: 0, err: '' });
    expect(await run(MAIN, ['tree', 'set', '/cli/a', '-', '--coordinators', coordinator()], 'two').ended).toMatchObject(
      {
        code: 0,
      },
    );
    expect((await tree('get', '/cli/a').ended).out).toBe('two\n');
    expect((await tree('ls', '/cli').ended).out).toBe('a\n');
    const guarded = (version: number): string =>
      JSON.stringify([
        { kind: 'check', path: '/cli/a', version },
        { kind: 'create', path: '/cli-multi' },
        { kind: 'delete', path: '/cli-multi' },
      ]);
    expect(await tree('multi', guarded(0)).ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('BAD_VERSION'),
    });
    expect(await tree('multi', guarded(1)).ended).toMatchObject({
      code: 0,
      out: expect.stringContaining('3 operations'),
    });
    expect(await tree('multi', '[{}]').ended).toMatchObject({ code: 2, err: expect.stringContaining('operation 0') });
    expect((await tree('ls', '/').ended).out).toBe('brokers\ncli\nconfig\nconsumers\ncontroller\ngateways\n');
    const refused = await tree('set', '/cli/a', 'three', '--version', '0').ended;
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('BAD_VERSION');
    expect((await tree('create', '/brokers/ids/7').ended).err).toContain('FORBIDDEN');
    expect((await tree('rm', '/cli', '-r').ended).out).toBe('2 nodes deleted\n');
    const { code, out } = await watch.ended;
    expect(code).toBe(0);
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; path: string });
    expect(events.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'created /cli',
      'created /cli/a',
      'changed /cli/a',
      'deleted /cli/a',
    ]);
  }, 60_000);

  test('an ephemeral node of a process that is killed is gone a moment later, and its watcher is told', async () => {
    const client = connect('watcher');
    const told: string[] = [];
    client.watch(
      { path: '/mine', kind: 'data' },
      {
        events: (_revision, events) => told.push(...events.map(({ kind }) => kind)),
        ended: ({ code }) => told.push(code),
      },
    );
    const { child, result, ended } = tree('create', '/mine', '--ephemeral');
    await vi.waitUntil(() => result.out.includes('created'), { timeout: 20_000 });
    await vi.waitUntil(() => told.includes('created'), { timeout: 5_000 });
    child.kill('SIGKILL');
    const killedMs = performance.now();
    await ended;
    await vi.waitUntil(() => told.includes('deleted'), { timeout: 10_000, interval: 10 });
    expect(performance.now() - killedMs).toBeLessThan(SESSION_REATTACH_MS + 1_000);
    expect(told).toEqual(['created', 'deleted']);
  });

  test('brokers, topics and gateways are shown as they are, over HTTP as well', async () => {
    const created = await fetch(`${cluster.url}/v1/topics`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'shown', partitions: 2 }),
    });
    expect(created.status).toBe(201);
    const get = async (path: string): Promise<any> =>
      (await fetch(`${cluster.url}/v1/tree${path}?children=true`)).json();
    expect((await get('/brokers/topics/shown/partitions')).children).toEqual(['0', '1']);
    const state = await get('/brokers/topics/shown/partitions/0/state');
    expect(JSON.parse(state.data)).toMatchObject({ version: 1, isr: [JSON.parse(state.data).leader] });
    const gateway = cluster.service('gateway');
    expect((await get('/gateways/ids')).children).toEqual([gateway.id]);
    expect(JSON.parse((await get(`/gateways/ids/${gateway.id}`)).data)).toEqual({ version: 1, http: gateway.http });
    expect(await get('/consumers/g')).toMatchObject({ code: 'NODE_NOT_FOUND' });
  });

  test('nodes, sessions and their ephemeral nodes live through a kill -9 of everything', async () => {
    const client = connect('survivor');
    const session = await client.openSession();
    await client.create('/kept', 'persistent');
    const { createRevision } = await client.create('/held', 'ephemeral', { session });
    await cluster.kill();
    await cluster.start();
    const after = connect('after');
    expect(Buffer.from((await after.get('/kept')).node.data).toString()).toBe('persistent');
    const { node } = await after.get('/held');
    expect(node.createRevision).toBe(createRevision);
    // Nobody comes back for that session, which knows only the old address: its node goes when its time is over.
    await vi.waitUntil(async () => (await after.exists('/held')).node === undefined, {
      timeout: 15_000,
      interval: 100,
    });
    expect((await after.exists('/kept')).node).toBeDefined();
  }, 60_000);
});

describe('the example', () => {
  test('leaders follow each other in the order of their candidacy, with growing tokens', async () => {
    const [ada, grace] = [connect('ada'), connect('grace')];
    const first = await campaign(ada, '/test/election', 'ada');
    let second: Awaited<ReturnType<typeof campaign>> | undefined;
    const waiting = campaign(grace, '/test/election', 'grace').then((won) => (second = won));
    await vi.waitUntil(async () => (await ada.children('/test/election')).names.length === 2, { timeout: 5_000 });
    expect(await leaderOf(ada, '/test/election')).toBe('ada');
    expect(second).toBeUndefined();
    await first.resign();
    expect((await waiting).token).toBeGreaterThan(first.token);
    expect(await leaderOf(ada, '/test/election')).toBe('grace');
    await second!.resign();
    expect(await leaderOf(ada, '/test/election')).toBeUndefined();
  });

  test('a lock is held by one at a time', async () => {
    const holders = [connect('a'), connect('b'), connect('c')];
    let held = 0;
    const register = new FencedRegister();
    const work = async ({ token }: { token: number }): Promise<void> => {
      expect(++held).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      register.append(String(token), token);
      held--;
    };
    await Promise.all(holders.flatMap((client) => [1, 2, 3, 4].map(() => withLock(client, '/test/lock', work))));
    expect(register.values).toHaveLength(12);
    expect(register.values.map(Number)).toEqual(register.values.map(Number).toSorted((a, b) => a - b));
  });

  test('a holder whose session was lost is told, and its token is refused after the next holder has written', async () => {
    const register = new FencedRegister();
    const paused = await campaign(connect('paused'), '/test/fenced', 'paused');
    const rival = connect('rival');
    const waiting = campaign(rival, '/test/fenced', 'rival');
    await vi.waitUntil(async () => (await rival.children('/test/fenced')).names.length === 2, { timeout: 5_000 });
    await paused.resign();
    expect(paused.signal.aborted).toBe(true);
    const next = await waiting;
    register.append('rival', next.token);
    expect(() => register.append('paused', paused.token)).toThrow('is fenced off');
    await next.resign();
  });

  test('it runs against a cluster as its README says', async () => {
    const { code, out, err } = await run(EXAMPLE, [coordinator()]).ended;
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out.match(/leads, with the token \d+/g)).toHaveLength(3);
  });
});
