import { seededRandom } from '@weir/base/random.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { History } from '../faults/history.ts';
import { createTopic, Load, readAll } from '../faults/load.ts';
import type { Cluster, Service } from '../harness/cluster.ts';
import { processes } from '../harness/process-cluster.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const RECORDS_PER_STEP = 2_000;
const PATIENT = { timeout: 60_000, interval: 20 };
let cluster: Cluster<Service>;

beforeAll(async () => {
  cluster = await processes.create({ coordinator: 1, broker: 2, gateway: 1 });
  await cluster.start();
}, TEST_MS_MAX);
afterAll(() => cluster?.remove(), TEST_MS_MAX);
beforeEach(({ onTestFailed }) => {
  onTestFailed(async () => console.error(await cluster.report()));
});

/** Follows a topic over one event stream, and notes the offsets of each partition in the order in which they come. */
async function follow(gateway: Service, topic: string, into: Map<number, number[]>, over: AbortSignal): Promise<void> {
  const url = `http://${gateway.address('http')}/v1/topics/${topic}/stream?from=earliest`;
  const response = await fetch(url, { signal: over });
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      const { partition, offset } = JSON.parse(line.slice('data: '.length)) as { partition: number; offset: number };
      into.get(partition)!.push(offset);
    }
  }
}

test(
  'brokers and the coordinator are restarted one after another: no write or read fails, none is stored twice, streams go on',
  { timeout: TEST_MS_MAX },
  async () => {
    const [gateway] = cluster.gateways;
    const topic = { name: 'rolled', partitions: 2 };
    await createTopic(gateway!, topic);
    const followed = new Map<number, number[]>([
      [0, []],
      [1, []],
    ]);
    const enough = new AbortController();
    const following = follow(cluster.named('gateway gw-1'), topic.name, followed, enough.signal).then(
      () => 'the stream ended',
      (error: unknown) => (enough.signal.aborted ? 'left' : String(error)),
    );
    const history = new History();
    // One after another on each partition as quickly as they are answered: something is always under way.
    const loads = [0, 1].map((partition) =>
      new Load(gateway!, history, topic, seededRandom(partition), { only: [partition] }).start(),
    );
    const progress = async (): Promise<void> => {
      const marks = loads.map((load) => ({ load, until: load.acknowledged + RECORDS_PER_STEP }));
      await expect.poll(() => marks.every(({ load, until }) => load.acknowledged >= until), PATIENT).toBe(true);
    };
    await progress();
    for (const name of ['broker 1', 'coordinator 1', 'broker 2', 'broker 1', 'broker 2']) {
      const service = cluster.named(name);
      expect(await service.stop()).toBe(0);
      await service.start();
      await progress();
    }
    await Promise.all(loads.map((load) => load.stop()));
    expect(loads.flatMap((load) => load.failures)).toEqual([]);
    const stored = await readAll(gateway!, topic);
    const { lost, changed, invented, misplaced, twice } = history.judge(stored);
    // Whoever stops in order has answered what it took, so that nobody has to send it again.
    expect({ lost, changed, invented, misplaced, twice }).toEqual({
      lost: [],
      changed: [],
      invented: [],
      misplaced: [],
      twice: [],
    });
    // One connection was there all the time, and on it came every record once.
    const offsets = [...stored.values()].map((records) => records.map(({ offset }) => offset));
    await expect
      .poll(() => [...followed.values()].map(({ length }) => length), PATIENT)
      .toEqual(offsets.map(({ length }) => length));
    enough.abort();
    expect(await following).toBe('left');
    expect([...followed.values()]).toEqual(offsets);
  },
);
