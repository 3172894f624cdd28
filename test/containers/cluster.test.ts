import { readFileSync } from 'node:fs';
import { HTTP_CONSUMER_MOVE_MS } from '@weir/base/group-limits.ts';
import { expect, test } from 'vitest';
import { clusterScenarios, stateOf } from '../harness/cluster-scenarios.ts';
import { targetOf } from '../harness/cluster.ts';
import { containers } from '../harness/container-cluster.ts';
import { IMAGE } from '../../tools/images/image.ts';

clusterScenarios(containers(IMAGE), (setting) => {
  const TEST_MS_MAX = 180_000;

  test(
    'a broker that falls off the network and comes back with another address is found, and nothing is lost',
    { timeout: TEST_MS_MAX },
    async () => {
      const { cluster, disturb } = setting();
      const victim = cluster.named('broker 1');
      const before = await victim.networkAddress();
      const problems = await disturb('disconnected', victim, {
        begin: () => victim.disconnect(),
        async meanwhile() {
          // Connections to it hang, and nobody hears that they are broken.
          await expect.poll(() => stateOf(cluster, victim), { timeout: 60_000 }).toBe('fenced');
          await victim.occupyAddress();
        },
        end: () => victim.connect(),
      });
      expect(problems).toEqual([]);
      expect(await victim.networkAddress()).not.toBe(before);
    },
  );

  test.for(['coordinator 1', 'broker 2'])(
    '%s is found again when its container comes back with another address',
    { timeout: TEST_MS_MAX },
    async (name) => {
      const { cluster, disturb } = setting();
      const victim = cluster.named(name);
      const before = await victim.networkAddress();
      const problems = await disturb(`moved-${victim.kind}`, victim, {
        begin: async () => expect(await victim.stop()).toBe(0),
        meanwhile: () => victim.occupyAddress(),
        end: () => victim.start(),
      });
      expect(problems).toEqual([]);
      expect(await victim.networkAddress()).not.toBe(before);
    },
  );

  test(
    'a request for a consumer whose gateway falls off the network is not kept waiting, and the other gateway takes the consumer over',
    { timeout: TEST_MS_MAX },
    async () => {
      const { cluster } = setting();
      const victim = cluster.named('gateway gw-1');
      const [has, other] = [targetOf(victim), targetOf(cluster.named('gateway gw-2'))];
      const path = '/consumers/off-the-network/instances/c';
      expect((await other.http('/v1/topics', { body: { name: 'off-the-network' } })).status).toBe(201);
      expect((await other.http('/v1/topics/off-the-network/records', { body: ['one'] })).status).toBe(200);
      const settings = { name: 'c', format: 'json', 'auto.offset.reset': 'earliest', 'enable.auto.commit': false };
      expect((await has.http('/consumers/off-the-network', { body: settings })).status).toBe(200);
      expect((await other.http(`${path}/subscription`, { body: { topics: ['off-the-network'] } })).status).toBe(204);
      const read = async (): Promise<unknown[]> => {
        const { status, json } = await other.http(`${path}/records?timeout=5000`);
        return status === 200 ? json.map(({ value }: { value: unknown }) => value) : [status];
      };
      await expect.poll(read, { timeout: 60_000 }).toEqual(['one']);
      await victim.disconnect();
      try {
        // The connection between the gateways is there as ever, and silent.
        const startMs = performance.now();
        expect(await other.http(`${path}/subscription`)).toMatchObject({
          status: 503,
          json: { code: 'CONSUMER_MOVED' },
        });
        expect(performance.now() - startMs).toBeLessThan(HTTP_CONSUMER_MOVE_MS + 5_000);
        await expect.poll(read, { timeout: 60_000 }).toEqual(['one']);
      } finally {
        await victim.connect();
      }
      await expect.poll(async () => (await has.http(`${path}/subscription`)).status, { timeout: 60_000 }).toBe(200);
      expect((await has.http(path, { method: 'DELETE' })).status).toBe(204);
    },
  );

  test('in each container nothing is root, nothing has a capability, and only the volume and /tmp can be written', async () => {
    for (const service of setting().cluster.services) {
      const { output } = await service.run('sh', '-c', 'id -u; grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/1/status');
      expect(output.trim().split('\n')).toEqual([
        '10001',
        'CapEff:\t0000000000000000',
        'CapBnd:\t0000000000000000',
        'NoNewPrivs:\t1',
      ]);
      const write = await service.run(
        'sh',
        '-c',
        'for d in / /weir /etc /tmp /var/lib/weir; do touch $d/x 2>/dev/null && echo $d; done; rm -f /tmp/x /var/lib/weir/x',
      );
      expect(write.output.trim().split('\n')).toEqual(
        service.kind === 'gateway' ? ['/tmp'] : ['/tmp', '/var/lib/weir'],
      );
    }
  });

  test('Kafka clients in other containers find each leader by the name that it advertises', async () => {
    const { cluster } = setting();
    const coordinator = ['--coordinators', 'coordinator-1:7070'];
    const gateway = cluster.named('gateway gw-1');
    const created = await gateway.run('weir', 'topic', 'create', 'found', '--partitions', '4', ...coordinator);
    expect(created, created.output).toMatchObject({ code: 0 });
    // What `helm test` asks with, as a program of its own.
    const script = readFileSync('deploy/helm/weir/scripts/kafka.ts', 'utf8');
    for (const broker of cluster.of('broker')) {
      const ask = `console.log(JSON.stringify([...(await endOffsets('broker-${broker.id}:9092', 'found'))].map(String)))`;
      const asked = await gateway.run('node', '--input-type=module-typescript', '-e', `${script}\n${ask}`);
      expect(asked, asked.output).toMatchObject({ code: 0 });
      expect((JSON.parse(asked.output) as string[]).toSorted()).toEqual(['0,0', '1,0', '2,0', '3,0']);
    }
  });

  test('the weir command works in every container', async () => {
    const { cluster } = setting();
    const coordinator = ['--coordinators', 'coordinator-1:7070'];
    for (const service of cluster.services) {
      const topic = `made-in-${service.kind}-${service.id}`;
      const created = await service.run('weir', 'topic', 'create', topic, ...coordinator);
      expect(created, created.output).toMatchObject({ code: 0 });
      expect((await service.run('weir', 'topic', 'list', ...coordinator)).output).toContain(topic);
    }
  });
});
