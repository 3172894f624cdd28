import { afterAll, beforeAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';
import type { CommandEnding } from './run-weir.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 20_000, interval: 100 };
const cluster = new DevCluster('--separate', '--brokers', '2', '--coordinator.default-replication-factor', '1');
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

/** A command line against the test's cluster. */
const weir = (words: string[], input?: string): Promise<CommandEnding> =>
  runWeir([...words, '--coordinators', cluster.service('coordinator').grpc!], input);

async function states(): Promise<Record<number, string>> {
  const { out } = await weir(['broker', 'list', '-o', 'json']);
  const brokers = JSON.parse(out) as { id: number; state: string }[];
  return Object.fromEntries(brokers.map(({ id, state }) => [id, state]));
}

async function leadersOf(topic: string): Promise<number[]> {
  const { out } = await weir(['topic', 'describe', topic, '-o', 'json']);
  return (JSON.parse(out) as { partitions: { leader: number }[] }).partitions.map(({ leader }) => leader);
}

test(
  'a drain says plainly that only replicas cannot move, ends with 0, and lets the broker go on with them',
  { timeout: TEST_MS_MAX },
  async () => {
    await weir(['topic', 'create', 'a', '--partitions', '3']);
    expect(await leadersOf('a')).toEqual([1, 2, 1]);
    const beganMs = performance.now();
    const drained = await weir(['broker', 'drain', '1']);
    expect(drained).toEqual({
      code: 0,
      err: '',
      out: [
        'broker 1 drains: it led 2 partitions, and none has moved',
        '2 partitions cannot move, and will be without a leader while it is away:',
        '  it has the only replica: a-0, a-2',
        'it can be stopped; "weir broker undrain 1" takes the drain back',
        '',
      ].join('\n'),
    });
    // There is nothing to wait for but the broker's next heartbeat.
    expect(performance.now() - beganMs).toBeLessThan(20_000);
    expect(await states()).toEqual({ 1: 'draining', 2: 'active' });
    const again = await weir(['broker', 'drain', '1', '--timeout', '5s', '-o', 'json']);
    expect(JSON.parse(again.out)).toMatchObject({ broker: 1, done: true, knownToBroker: true, moved: [], leads: 2 });

    // It serves what it leads: nobody takes it for away.
    expect(await weir(['produce', 'a', '--partition', '0'], 'a line\n')).toMatchObject({ code: 0 });
    expect((await weir(['consume', 'a', '--partition', '0', '--offset', 'earliest', '-n', '1'])).out).toBe('a line\n');
    // New partitions go to the other one.
    await weir(['topic', 'create', 'b', '--partitions', '2']);
    expect(await leadersOf('b')).toEqual([2, 2]);

    expect(await weir(['broker', 'undrain', '1'])).toEqual({
      code: 0,
      err: '',
      out: 'broker 1 does not drain any more\n',
    });
    expect(await states()).toEqual({ 1: 'active', 2: 'active' });
    const elected = await weir(['topic', 'elect-leaders', '--topic', 'a']);
    expect(elected).toEqual({ code: 0, err: '', out: '0 leaders elected\n' });
  },
);

test('a drain ends when the broker registers again', { timeout: TEST_MS_MAX }, async () => {
  expect((await weir(['broker', 'drain', '1'])).code).toBe(0);
  await cluster.stop();
  await cluster.start();
  await expect.poll(states, PATIENT).toEqual({ 1: 'active', 2: 'active' });
});

test(
  'a broker that lives is not unregistered, nor is one that holds replicas; one that is dead and empty is',
  { timeout: TEST_MS_MAX },
  async () => {
    const living = await weir(['broker', 'unregister', '2']);
    expect([living.code, living.err]).toEqual([1, expect.stringMatching(/broker 2 lives, at .*\(BROKER_ACTIVE\)/)]);
    const second = cluster.services.find(({ kind, id }) => kind === 'broker' && id === '2')!;
    process.kill(second.pid, 'SIGKILL');
    await expect.poll(states, PATIENT).toEqual({ 1: 'active', 2: 'away' });
    const holding = await weir(['broker', 'unregister', '2']);
    expect([holding.code, holding.err]).toEqual([1, expect.stringContaining('(BROKER_HOLDS_REPLICAS)')]);
    await weir(['topic', 'delete', 'a', 'b', '--yes', '--if-exists']);
    expect(await weir(['broker', 'unregister', '2'])).toEqual({ code: 0, err: '', out: 'broker 2 is unregistered\n' });
    expect(await states()).toEqual({ 1: 'active' });
    const gone = await weir(['broker', 'unregister', '2']);
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('BROKER_ID_NOT_REGISTERED')]);
    expect((await weir(['cluster', 'health', '--exit-code'])).code).toBe(0);
    // Its number is free: a broker that takes it is a new one.
    await cluster.stop();
    await cluster.start();
    await expect.poll(states, PATIENT).toEqual({ 1: 'active', 2: 'active' });
  },
);
