import { setTimeout as wait } from 'node:timers/promises';
import { SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { seededRandom } from '@weir/base/random.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { http } from '../cluster/http-client.ts';
import type { Answer } from '../cluster/http-client.ts';
import { nameOf } from './cluster.ts';
import type { Cluster, Driver, Service } from './cluster.ts';
import { consumerScenarios } from './consumer-scenarios.ts';
import { brokenPromises, SteadyLoad } from './steady-load.ts';

/** Two gateways, and brokers for three replicas of each partition: everybody can do without one of them. */
const COUNTS = { coordinator: 1, broker: 3, gateway: 2 };
/** A test of this suite waits for what it waits for; only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 60_000, interval: 50 };

/** What a test of one driver gets. */
export interface Setting<S extends Service> {
  readonly cluster: Cluster<S>;
  /** Loads a new topic while a service is away, and judges all of it; returns what did not hold. */
  readonly disturb: (title: string, victim: S, fault: Fault) => Promise<string[]>;
}

/** How a service is taken away, and how it comes back. */
interface Fault {
  readonly begin: () => Promise<void>;
  /** It is away: what has to have happened before it comes back. */
  readonly meanwhile?: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Registers the tests that every driver has to pass, and then `more` of its own, all on one cluster. */
export function clusterScenarios<S extends Service>(
  driver: Driver<S>,
  more: (setting: () => Setting<S>) => void = () => undefined,
): void {
  const loads: SteadyLoad[] = [];
  let cluster: Cluster<S>;

  beforeAll(async () => {
    cluster = await driver.create(COUNTS);
    await cluster.start();
  }, TEST_MS_MAX);
  afterAll(() => cluster?.remove(), TEST_MS_MAX);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => console.error(await cluster.report()));
  });

  async function disturb(title: string, victim: S, fault: Fault): Promise<string[]> {
    const load = await SteadyLoad.start(cluster, title, seededRandom(loads.length));
    let isAway = false;
    try {
      await load.progresses();
      load.forgetFailures();
      isAway = true;
      await fault.begin();
      await fault.meanwhile?.();
      await load.progresses(victim);
      isAway = false;
      await fault.end();
      await load.progresses();
    } finally {
      // A test that fails does not take the next ones with it.
      if (isAway) await fault.end().catch(() => undefined);
      await load.stop();
    }
    loads.push(load);
    return [...load.failuresWithout(victim), ...brokenPromises(await load.judge(cluster))];
  }

  test(
    'records that went in through one gateway, in v1 and in v2, come out of the other',
    { timeout: TEST_MS_MAX },
    async () => {
      const [one, other] = cluster.gateways as [Cluster['gateways'][0], Cluster['gateways'][0]];
      const created = await one.http('/admin/topics', { body: { topic_name: 'both', partitions_count: 2 } });
      expect(created.status).toBe(201);
      const v1 = await one.http('/v1/topics/both/records?partition=0', { body: [{ n: 1 }, 'two'] });
      expect([v1.status, v1.json.offsets]).toEqual([200, [0, 1].map((offset) => ({ partition: 0, offset }))]);
      const v2 = await one.http('/topics/both', {
        body: JSON.stringify({
          records: [
            { value: 3, partition: 0 },
            { key: 'k', value: { n: 4 }, partition: 1 },
          ],
        }),
        headers: { 'content-type': 'application/vnd.kafka.json.v2+json' },
      });
      expect([v2.status, v2.json.offsets]).toEqual([
        200,
        [
          { partition: 0, offset: 2 },
          { partition: 1, offset: 0 },
        ],
      ]);
      const valuesOf = async (partition: number): Promise<unknown[]> => {
        const read = await other.http(`/v1/topics/both/records?partition=${partition}&offset=0&wait=10s`);
        return (read.json.records as { value: unknown }[]).map(({ value }) => value);
      };
      expect([await valuesOf(0), await valuesOf(1)]).toEqual([[{ n: 1 }, 'two', 3], [{ n: 4 }]]);
      const offsets = await other.http('/topics/both/partitions/0/offsets');
      expect(offsets.json).toEqual({ beginning_offset: 0, end_offset: 3 });
    },
  );

  test.for(['broker 1', 'broker 2', 'broker 3', 'gateway gw-1', 'gateway gw-2', 'coordinator 1'])(
    'kill -9 of %s under load: every partition goes on, it comes back, and nothing acknowledged is lost',
    { timeout: TEST_MS_MAX },
    async (name) => {
      const victim = cluster.named(name);
      const end = async (): Promise<void> => {
        await victim.start();
        // A rollout that goes on to the next broker now takes no partition below its minimum.
        expect(victim.kind === 'broker' ? await catchingUp(victim) : 0).toBe(0);
      };
      const fault = { begin: () => victim.kill(), end };
      expect(await disturb(`killed-${name.replace(' ', '-')}`, victim, fault)).toEqual([]);
    },
  );

  test(
    'a topic that is created while a broker is away takes records, and has that broker in sync once it is ready again',
    { timeout: TEST_MS_MAX },
    async () => {
      const [gateway, other] = cluster.gateways as [Cluster['gateways'][0], Cluster['gateways'][0]];
      const victim = cluster.named('broker 2');
      expect(await victim.stop()).toBe(0);
      try {
        // A coordinator that has just started, for the test before, may not have heard that it left.
        await expect.poll(() => stateOf(cluster, victim), PATIENT).toBe('fenced');
        const created = await gateway.http('/v1/topics', { body: { name: 'without-one', partitions: 3 } });
        expect([created.status, membersOf(created)]).toEqual([201, Array.from({ length: 3 }, () => [3, 2])]);
        const written = await gateway.http('/v1/topics/without-one/records?partition=0', { body: ['one', 'two'] });
        expect([written.status, written.json.offsets]).toMatchObject([200, [{ offset: 0 }, { offset: 1 }]]);
      } finally {
        await victim.start();
      }
      await expect
        .poll(async () => membersOf(await other.http('/v1/topics/without-one')), PATIENT)
        .toEqual(Array.from({ length: 3 }, () => [3, 3]));
    },
  );

  test(
    'a broker that is paused past its session timeout is fenced, and serves again when it goes on',
    { timeout: TEST_MS_MAX },
    async () => {
      const victim = cluster.named('broker 2');
      const problems = await disturb('paused-broker', victim, {
        begin: () => victim.pause(),
        meanwhile: () => expect.poll(() => stateOf(cluster, victim), PATIENT).toBe('fenced'),
        end: () => victim.resume(),
      });
      expect(problems).toEqual([]);
      expect(await stateOf(cluster, victim)).toBe('active');
    },
  );

  test(
    'while the coordinator is paused past the session timeout, brokers and gateways go on serving',
    { timeout: TEST_MS_MAX },
    async () => {
      const victim = cluster.named('coordinator 1');
      const problems = await disturb('paused-coordinator', victim, {
        begin: () => victim.pause(),
        // What this is about is that so much time goes by.
        meanwhile: () => wait(SESSION_TIMEOUT_MS * 1.25),
        end: () => victim.resume(),
      });
      expect(problems).toEqual([]);
      // The coordinator is needed for this, and knows all brokers again.
      await expect
        .poll(() => Promise.all(cluster.of('broker').map((broker) => stateOf(cluster, broker))), PATIENT)
        .toEqual(['active', 'active', 'active']);
      const created = await cluster.gateways[1]!.http('/v1/topics', { body: { name: 'after-the-pause' } });
      expect(created.status).toBe(201);
    },
  );

  test(
    'what a service prints is one JSON object a line, from its first line to its last',
    { timeout: TEST_MS_MAX },
    async () => {
      const stopped = cluster.named('gateway gw-1');
      expect(await stopped.stop()).toBe(0);
      await stopped.start();
      for (const service of cluster.services) {
        const lines = (await service.output()).trimEnd().split('\n');
        expect(lines.length).toBeGreaterThan(1);
        expect(lines.filter((line) => !/^\{"level":\d+,"time":"[^"]+",.*"msg":".*"\}$/.test(line))).toEqual([]);
        for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: service.kind });
      }
      expect(await stopped.output()).toMatch(/"msg":"gateway gw-1 stops: SIGTERM"/);
    },
  );

  consumerScenarios(() => ({ cluster, disturb }));
  more(() => ({ cluster, disturb }));

  test(
    'everything stops with 0 and starts again, and every record of all that was done to it is still there',
    { timeout: TEST_MS_MAX },
    async () => {
      expect(await cluster.stop()).toEqual(Object.fromEntries(cluster.services.map((service) => [nameOf(service), 0])));
      await cluster.start();
      expect(loads.length).toBeGreaterThan(0);
      for (const load of loads) {
        const verdict = await load.judge(cluster);
        expect(brokenPromises(verdict), load.topic.name).toEqual([]);
        // A run that wrote next to nothing would prove next to nothing.
        expect(verdict.acknowledged, load.topic.name).toBeGreaterThan(500);
      }
    },
  );
}

/** Of each partition of a topic, how many replicas it has and how many of them are in sync. */
function membersOf({ json }: Answer): [replicas: number, inSync: number][] {
  const partitions = json.partitions as { replicas: unknown[]; in_sync: unknown[] }[];
  return partitions.map(({ replicas, in_sync: inSync }) => [replicas.length, inSync.length]);
}

/** How many partitions a broker follows that it is not in sync with. */
async function catchingUp(broker: Service): Promise<number> {
  const { text } = await http(`http://${broker.address('ops')}/metrics`);
  const found = /^weir_broker_followed_partitions\{kind="catching_up"\} (\d+)$/m.exec(text);
  if (found === null)
    throw new Error(`${nameOf(broker)} does not say how many partitions it catches up with:\n${text}`);
  return Number(found[1]);
}

/** A broker as the second gateway knows it: active or fenced. */
export async function stateOf(cluster: Cluster, broker: Service): Promise<string | undefined> {
  const { json } = await cluster.gateways[1]!.http('/v1/cluster');
  return (json.brokers as { id: number; state: string }[]).find(({ id }) => String(id) === broker.id)?.state;
}
