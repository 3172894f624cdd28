import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { Client } from '@weir/client/client.ts';
import type { GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import type { LogEvents, NamespaceWatch, WatchOptions } from '@weir/client/namespace/watch-link.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { DevCluster } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 120_000;
const PATIENT = { timeout: 60_000, interval: 50 };
const [TOPIC, PARTITIONS, GROUP, AUDIT] = ['orders', 4, 'tills/north', 'audit'];
const TILLS = '/consumers/tills%2Fnorth';
const AUDITED = `/consumers/${AUDIT}/offsets/${TOPIC}/0`;
const cluster = new DevCluster('--separate', '--brokers', '3');
let client: Client;
beforeAll(async () => {
  await cluster.start();
  client = new Client({ coordinators: [coordinators()], name: 'looks on' }, clientWorld);
  await client.ready(10_000);
}, TEST_MS_MAX);
afterAll(async () => {
  await client.close();
  await cluster.remove();
});

function coordinators(): string {
  return cluster.service('coordinator').grpc!;
}

const tree = (...words: string[]) => runWeir(['tree', ...words, '--coordinators', coordinators()]);

async function http(path: string): Promise<{ status: number; body: any }> {
  const response = await fetch(`${cluster.url}/v1/tree${path}`);
  return { status: response.status, body: await response.json() };
}

/** What a node says. */
async function says(path: string): Promise<any> {
  const { node } = await client.namespace.get(path);
  return JSON.parse(Buffer.from(node.data).toString());
}

interface Told {
  readonly revision: number;
  readonly log: LogEvents | undefined;
  readonly events: readonly TreeEvent[];
}

/** A watch that keeps all that it is told. */
class Watching {
  readonly told: Told[] = [];
  readonly watch: NamespaceWatch;

  private constructor(options: WatchOptions, stands: () => void) {
    this.watch = client.namespace.watch(options, {
      started: stands,
      events: (revision, events, log) => void this.told.push({ revision, events, log }),
      ended: ({ message }) => expect.unreachable(message),
    });
  }

  static begin(options: WatchOptions): Promise<Watching> {
    return new Promise((resolve) => {
      const watching: Watching = new Watching(options, () => resolve(watching));
    });
  }

  get paths(): string[] {
    return this.told.flatMap(({ events }) => events.map(({ kind, path }) => `${kind} ${path}`));
  }

  /** What an offset's node has said, one after the other. */
  offsets(): number[] {
    return this.told.flatMap(({ events }) => events.flatMap((event) => offsetOf(event)));
  }
}

function offsetOf(event: TreeEvent): number[] {
  if (event.kind === 'deleted' || event.path !== AUDITED) return [];
  return [JSON.parse(Buffer.from(event.node.data).toString()).offset];
}

/** The data of server-sent events, as they come, until nobody asks for more. */
async function* serverSent(path: string, lastEventId?: string): AsyncGenerator<{ id: string; data: any }> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const stop = new AbortController();
  try {
    const response = await fetch(`${cluster.url}/v1/tree${path}`, { headers, signal: stop.signal });
    expect(response.status).toBe(200);
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const id = /^id: (.*)$/m.exec(block)?.[1] ?? '';
        const data = /^data: (.*)$/m.exec(block)?.[1];
        yield { id, data: data === undefined ? undefined : JSON.parse(data) };
      }
    }
  } finally {
    stop.abort();
  }
}

function leaderPid(group: string): number {
  const { partitions } = client.topic(OFFSETS_TOPIC)!;
  const { leader } = partitions[partitionForGroup(group, partitions.length)]!;
  return cluster.services.find(({ kind, id }) => kind === 'broker' && id === String(leader))!.pid;
}

/** A member that reads what there is. */
function member(): { consumer: GroupConsumer; reading: Promise<void> } {
  const consumer = client.consumer({ groupId: GROUP, topics: [TOPIC], offsetReset: 'earliest', commitIntervalMs: 100 });
  const read = async (): Promise<void> => {
    for await (const record of consumer) void record;
  };
  return { consumer, reading: read() };
}

/** Who owns which partitions, as the tree shows it. */
async function owners(): Promise<string[]> {
  const { names } = await client.namespace.children(`${TILLS}/owners/${TOPIC}`);
  return Promise.all(names.map(async (name) => (await says(`${TILLS}/owners/${TOPIC}/${name}`)).consumer));
}

describe('consumer groups as nodes', () => {
  test('before there is a group there is a root, which says what to use who wants to write', async () => {
    expect((await tree('ls', '/')).out.split('\n')).toContain('consumers');
    expect((await tree('ls', '/consumers')).out).toBe('');
    expect((await http('/consumers?children=true')).body).toMatchObject({
      path: '/consumers',
      child_count: 0,
      children: [],
    });
    expect(await http('/consumers/nobody')).toMatchObject({ status: 404, body: { code: 'NODE_NOT_FOUND' } });
    const refused = await tree('create', '/consumers/mine');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('weir group seek')]);
    expect(refused.err).toContain('FORBIDDEN');
  });

  test(
    'two members appear and own all partitions; one leaves, and the other owns them; offsets appear as they are committed',
    { timeout: TEST_MS_MAX },
    async () => {
      // From before there is a log of groups.
      const early = await Watching.begin({ path: TILLS, kind: 'recursive' });
      const everything = await Watching.begin({ path: '/consumers', kind: 'children' });
      await client.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
      const [first, second] = [member(), member()];
      await vi.waitFor(async () => {
        expect((await client.namespace.children(`${TILLS}/ids`)).names).toHaveLength(2);
        expect(new Set(await owners()).size).toBe(2);
      }, PATIENT);
      const ids = (await client.namespace.children(`${TILLS}/ids`)).names;
      expect(await owners()).toHaveLength(PARTITIONS);
      expect(new Set(await owners())).toEqual(new Set(ids.map((name) => decodeURIComponent(name))));
      expect(await says(`${TILLS}/ids/${ids[0]}`)).toMatchObject({ version: 1, subscription: [TOPIC] });
      expect(await says(TILLS)).toMatchObject({ version: 1, protocol_type: 'consumer', protocol: 'range' });

      const sends = Array.from({ length: 20 }, (_, i) => ({ key: null, value: Buffer.from(`${i}`), partition: i % 4 }));
      for (const record of sends) await client.producer.send(TOPIC, record);
      await vi.waitFor(async () => {
        expect((await says(`${TILLS}/offsets/${TOPIC}/0`)).offset).toBe(5);
        expect((await client.namespace.children(`${TILLS}/offsets/${TOPIC}`)).names).toEqual(['0', '1', '2', '3']);
      }, PATIENT);

      await second.consumer.close();
      await second.reading;
      await vi.waitFor(async () => {
        expect(new Set(await owners()).size).toBe(1);
        expect(await owners()).toHaveLength(PARTITIONS);
      }, PATIENT);
      const [left] = (await client.namespace.children(`${TILLS}/ids`)).names;
      expect(new Set(await owners())).toEqual(new Set([decodeURIComponent(left!)]));

      const gone = ids.find((name) => name !== left)!;
      await vi.waitFor(() => expect(early.paths).toContain(`deleted ${TILLS}/ids/${gone}`), PATIENT);
      expect(early.told.every(({ log }) => log?.reset === false)).toBe(true);
      expect(early.paths.slice(0, 4)).toEqual([
        `created ${TILLS}`,
        `created ${TILLS}/ids`,
        `created ${TILLS}/offsets`,
        `created ${TILLS}/owners`,
      ]);
      expect(early.paths).toContain(`created ${TILLS}/offsets/${TOPIC}/3`);
      await vi.waitFor(() => expect(everything.paths).toEqual([`created ${TILLS}`]), PATIENT);
      await first.consumer.close();
      await first.reading;
      await vi.waitFor(
        async () => expect((await client.namespace.children(`${TILLS}/ids`)).names).toEqual([]),
        PATIENT,
      );
      early.watch.close();
      everything.watch.close();
    },
  );

  test(
    'the command line and HTTP show the same, under either name of an offset',
    { timeout: TEST_MS_MAX },
    async () => {
      await client.groups.commit(AUDIT, [{ topic: TOPIC, partition: 0, offset: 1, metadata: 'by hand' }]);
      expect((await tree('ls', '/consumers')).out).toBe('audit\ntills%2Fnorth\n');
      expect((await http('/consumers?children=true')).body).toMatchObject({
        child_count: 2,
        children: ['audit', 'tills%2Fnorth'],
      });
      const node = await client.namespace.get(AUDITED);
      const { body } = await http(AUDITED);
      const printed = await tree('get', AUDITED, '-o', 'json');
      expect(JSON.parse(printed.out)).toEqual(body);
      expect(body).toMatchObject({ path: AUDITED, revision: node.revision, leader_epoch: node.leaderEpoch });
      expect(JSON.parse(body.data)).toMatchObject({ version: 1, offset: 1, metadata: 'by hand', leader_epoch: null });
      expect((await http(`/consumers/${AUDIT}/offsets/${TOPIC}/2-0`)).body).toEqual(body);
      expect((await tree('ls', TILLS)).out).toBe('ids\noffsets\nowners\n');
      expect((await http(`/consumers/${AUDIT}/offsets/${TOPIC}/1`)).status).toBe(404);
      expect((await tree('ls', `/consumers/${AUDIT}/ids/nobody`)).err).toContain('NODE_NOT_FOUND');
      expect((await http(`${AUDITED}?watch=data&from=x`)).body).toMatchObject({ code: 'INVALID_REQUEST' });
    },
  );

  test(
    'watches go on over the kill of the broker that coordinates the group, and miss no offset',
    { timeout: TEST_MS_MAX },
    async () => {
      const { revision, leaderEpoch } = await client.namespace.get(AUDITED);
      const watching = await Watching.begin({
        path: AUDITED,
        kind: 'data',
        from: revision + 1,
        fromEpoch: leaderEpoch!,
      });
      const command = tree('watch', AUDITED, '--from', `${leaderEpoch}-${revision + 1}`, '-n', '200', '-o', 'json');
      const streamed: { id: string; offset: number }[] = [];
      const stream = serverSent(`${AUDITED}?watch=data&from=${leaderEpoch}-${revision + 1}`);
      const collect = async (): Promise<void> => {
        for await (const { id, data } of stream) {
          for (const { node } of data?.events ?? []) streamed.push({ id, offset: JSON.parse(node.data).offset });
          if (streamed.length >= 200) return;
        }
      };
      const streaming = collect();
      for (let offset = 2; offset <= 201; offset++) {
        if (offset === 50) process.kill(leaderPid(AUDIT), 'SIGKILL');
        const [refused] = await client.groups.commit(AUDIT, [{ topic: TOPIC, partition: 0, offset }]);
        expect(refused).toBeUndefined();
        await pause(2);
      }
      const all = Array.from({ length: 200 }, (_, i) => i + 2);
      await vi.waitFor(() => expect(watching.offsets().at(-1)).toBe(201), PATIENT);
      // One of which nobody knew whether it was stored may have been stored twice.
      const seen = watching.offsets();
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect([...new Set(seen)]).toEqual(all);
      expect(watching.told.every(({ log }) => log?.reset === false)).toBe(true);
      const epochs = new Set(watching.told.map(({ log }) => log!.leaderEpoch));
      expect(epochs.size).toBe(2);
      const revisions = watching.told.map((told) => told.revision);
      expect(revisions).toEqual([...new Set(revisions)].toSorted((a, b) => a - b));
      await streaming;
      expect(streamed.map(({ offset }) => offset)).toEqual(seen.slice(0, 200));
      const { code, out } = await command;
      expect(code).toBe(0);
      const lines = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.map(({ node }) => JSON.parse(node.data).offset)).toEqual(seen.slice(0, 200));

      const [before, after] = [streamed[47]!, streamed[48]!];
      for await (const { data } of serverSent(`${AUDITED}?watch=data`, before.id)) {
        if (data === undefined) continue;
        expect(JSON.parse(data.events[0].node.data).offset).toBe(after.offset);
        break;
      }
      watching.watch.close();
    },
  );

  test('who comes from a log that went on otherwise is told what there is', { timeout: TEST_MS_MAX }, async () => {
    const lost = await Watching.begin({
      path: `/consumers/${AUDIT}`,
      kind: 'recursive',
      from: 1_000_000,
      fromEpoch: 0,
    });
    await vi.waitFor(() => expect(lost.told).toHaveLength(1), PATIENT);
    expect(lost.told[0]!.log).toMatchObject({ reset: true });
    expect(lost.paths.toSorted()).toEqual(
      ['', '/ids', '/offsets', `/offsets/${TOPIC}`, `/offsets/${TOPIC}/0`, '/owners'].map(
        (path) => `created /consumers/${AUDIT}${path}`,
      ),
    );
    expect(lost.offsets()).toEqual([201]);
    lost.watch.close();
    const { out } = await tree('watch', `/consumers/${AUDIT}`, '--from', '0-1000000', '--kind', 'data', '-n', '1');
    expect(out).toMatch(/^\d+-\d+ reset \/consumers\/audit\n\d+-\d+ created \/consumers\/audit /);
    const all = await Watching.begin({ path: '/consumers', kind: 'children', from: 1 });
    await vi.waitFor(
      () => expect(all.paths.toSorted()).toEqual(['created /consumers/audit', `created ${TILLS}`]),
      PATIENT,
    );
    all.watch.close();
  });

  test('a group that is deleted goes with all its nodes', { timeout: TEST_MS_MAX }, async () => {
    const watching = await Watching.begin({ path: TILLS, kind: 'recursive' });
    await client.groups.delete(GROUP);
    await vi.waitFor(() => expect(watching.paths.at(-1)).toBe(`deleted ${TILLS}`), PATIENT);
    expect(watching.paths).toContain(`deleted ${TILLS}/offsets/${TOPIC}/2`);
    expect((await http(TILLS)).status).toBe(404);
    expect((await tree('ls', '/consumers')).out).toBe('audit\n');
    watching.watch.close();
  });
});
