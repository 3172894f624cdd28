import { CONSUMER_SESSION_TIMEOUT_MS } from '@weir/base/group-limits.ts';
import { SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { expect, test } from 'vitest';
import type { HttpTarget } from '../cluster/http-client.ts';
import { nameOf, targetOf } from './cluster.ts';
import type { Service } from './cluster.ts';
import type { Setting } from './cluster-scenarios.ts';
import { GroupLedger, WrittenRecords } from './group-ledger.ts';
import type { Offsets } from './group-ledger.ts';
import { GroupReader, KeyedWriter, RestConsumer } from './http-group.ts';
import type { GatewayPlace } from './http-group.ts';

const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 60_000, interval: 50 };
const PARTITIONS = 3;
/** What each reader has to be given before it counts as served. */
const RECORDS_PER_STEP = 30;
/** A dead gateway's session has to end, and then those of its consumers in their groups; the rest is a busy machine's. */
const SILENT_MS_MAX = SESSION_TIMEOUT_MS + CONSUMER_SESSION_TIMEOUT_MS + 10_000;

/** Registers the tests of consumers over HTTP that every driver has to pass. */
export function consumerScenarios<S extends Service>(setting: () => Setting<S>): void {
  test(
    'consumers over HTTP outlive the gateway that has them, go on at what was committed, and any gateway serves them',
    { timeout: TEST_MS_MAX },
    async () => {
      const { cluster, disturb } = setting();
      const victim = cluster.named('gateway gw-1');
      const gateways = cluster
        .of('gateway')
        .map((service): GatewayPlace => ({ name: nameOf(service), ...targetOf(service) }));
      const other = gateways.find(({ name }) => name !== nameOf(victim))!;
      const places = (): readonly GatewayPlace[] => gateways;
      const topic = 'bills';
      const created = await other.http('/v1/topics', { body: { name: topic, partitions: PARTITIONS } });
      expect(created.status, created.text).toBe(201);
      const written = new WrittenRecords();
      const [v2, v1] = [new GroupLedger(), new GroupLedger()];
      // One that the victim has, and one that the other gateway has.
      const consumers = await Promise.all(
        [0, 1].map((turn) =>
          new RestConsumer({ topic, group: 'v2' }, `c${turn}`, { ledger: v2, gateways: places, turn }).create(),
        ),
      );
      const reader = new GroupReader({ topic, group: 'v1' }, { ledger: v1, gateways: places, turn: 0 });
      const readers = [...consumers, reader];
      const writers = [0, 1, 2].map((turn) => new KeyedWriter(topic, `w${turn}`, places, written));
      for (const each of readers) each.start();
      // One that is given records, and commits them when its gateway is no more.
      const held = await new RestConsumer({ topic, group: 'held' }, 'held', {
        ledger: new GroupLedger(),
        gateways: places,
        turn: 0,
      }).create();
      const readHeld = async (): Promise<{ partition: number; offset: number }[]> =>
        (await other.http(`${held.path}/records?timeout=5000`)).json;
      let heldBefore: { partition: number; offset: number }[] = [];

      const served = async (through: readonly GatewayPlace[]): Promise<void> => {
        const marks = readers.flatMap((each) =>
          through.map(({ name }) => ({ each, name, until: each.givenBy(name) + RECORDS_PER_STEP })),
        );
        const left = (): string[] =>
          marks
            .filter(({ each, name, until }) => each.ledger.problems.length === 0 && each.givenBy(name) < until)
            .map(({ each, name }) => `${each.name} through ${name}: ${JSON.stringify([...each.refusals])}`);
        await expect.poll(left, PATIENT).toEqual([]);
        expect([...v2.problems, ...v1.problems]).toEqual([]);
      };

      try {
        await served(gateways);
        const problems = await disturb('killed-with-consumers', victim, {
          async begin() {
            await expect.poll(async () => (heldBefore = await readHeld()).length, PATIENT).toBeGreaterThan(0);
            await victim.kill();
          },
          async meanwhile() {
            const late = await other.http(`${held.path}/offsets`, { method: 'POST' });
            expect(late, late.text).toMatchObject({ status: 409, json: { code: 'CONSUMER_STATE' } });
            const first = heldBefore[0]!;
            const again = async (): Promise<number | undefined> =>
              (await readHeld()).find(({ partition }) => partition === first.partition)?.offset;
            await expect.poll(again, PATIENT).toBe(first.offset);
            await Promise.all([committedIs('v2', v2, other), committedIs('v1', v1, other)]);
            await served([other]);
          },
          async end() {
            await victim.start();
            await served(gateways);
          },
        });
        expect(problems).toEqual([]);
        await Promise.all(writers.map((writer) => writer.stop()));
        // All that was acknowledged comes.
        await expect.poll(() => [written.missingIn(v2), written.missingIn(v1)], PATIENT).toEqual([[], []]);
      } finally {
        await Promise.all([...writers, ...readers].map((each) => each.stop()));
      }
      await Promise.all([committedIs('v2', v2, other), committedIs('v1', v1, other)]);
      expect([...v2.problems, ...v1.problems]).toEqual([]);
      expect(written.count).toBeGreaterThan(500);
      for (const { name, longestGapMs } of readers) expect(longestGapMs, name).toBeLessThan(SILENT_MS_MAX);

      // One that is deleted is out of its group with the answer, and whoever is left has its partitions.
      const [one, left] = consumers as [RestConsumer, RestConsumer];
      expect(await membersOf('v2', other)).toBe(2);
      expect((await gateways[0]!.http(one.path, { method: 'DELETE' })).status).toBe(204);
      expect(await membersOf('v2', other)).toBe(1);
      for (const gateway of gateways) {
        expect(await gateway.http(`${one.path}/records`)).toMatchObject({ status: 404, json: { error_code: 40403 } });
      }
      const assigned = async (): Promise<unknown[]> =>
        (await gateways[0]!.http(`${left.path}/assignments`)).json.partitions as unknown[];
      await expect.poll(assigned, PATIENT).toHaveLength(PARTITIONS);
    },
  );
}

/** No commit that was acknowledged is undone. */
async function committedIs(group: string, ledger: GroupLedger, at: HttpTarget): Promise<void> {
  const floor = ledger.committed();
  ledger.told(await committedOf(group, at), floor);
}

async function membersOf(group: string, at: HttpTarget): Promise<number> {
  return ((await at.http(`/v1/groups/${group}`)).json.members as unknown[]).length;
}

async function committedOf(group: string, at: HttpTarget): Promise<Offsets> {
  const { json } = await at.http(`/v1/groups/${group}`);
  const partitions = json.partitions as { partition: number; offset: number | null }[];
  return new Map(partitions.map(({ partition, offset }) => [partition, offset ?? 0]));
}
