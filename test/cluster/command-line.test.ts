import { afterAll, beforeAll, expect, test } from 'vitest';
import { DevCluster } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';

const cluster = new DevCluster();
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

/** A command line against the test's cluster. */
const onCluster = (words: string[], input?: string) =>
  runWeir([...words, '--coordinators', cluster.service('coordinator').grpc!], input);

test('a topic is created, listed and described', async () => {
  const created = await onCluster(['topic', 'create', 'cli', '--partitions', '3']);
  expect(created).toMatchObject({ code: 0, err: '' });
  expect((await onCluster(['topic', 'list'])).out).toMatch(/^cli\b/m);
  const described = await onCluster(['topic', 'describe', 'cli', '-o', 'json']);
  const topic = JSON.parse(described.out) as { name: string; partitions: unknown[] };
  expect(topic.name).toBe('cli');
  expect(topic.partitions).toHaveLength(3);
  const again = await onCluster(['topic', 'create', 'cli']);
  expect(again.code).toBe(1);
  expect(again.err).toMatch(/exists/);
});

test('lines of standard input become records, and come out again', async () => {
  await onCluster(['topic', 'create', 'lines', '--partitions', '1']);
  const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
  const produced = await onCluster(['produce', 'lines'], `${lines.join('\n')}\n`);
  expect(produced.code).toBe(0);
  const consumed = await onCluster(['consume', 'lines', '--offset', 'earliest', '-n', '5000']);
  expect(consumed.out.trimEnd().split('\n')).toEqual(lines);
  const json = await onCluster(['consume', 'lines', '--offset', '4999', '-n', '1', '-o', 'json']);
  expect(JSON.parse(json.out)).toMatchObject({ partition: 0, offset: 4999, value: 'line 4999' });
});

test('a cluster is measured: what is sent, what is read, and the way between', async () => {
  await onCluster(['topic', 'create', 'measured', '--partitions', '2']);
  const sent = await onCluster(['bench', 'produce', 'measured', '-n', '5000', '--size', '50', '-o', 'json']);
  const figures = JSON.parse(sent.out) as { records: number; refused: number; latencyMs: Record<string, number> };
  expect(figures).toMatchObject({ records: 5000, refused: 0 });
  expect(figures.latencyMs['p50']).toBeGreaterThan(0);
  expect(figures.latencyMs['p99']).toBeGreaterThanOrEqual(figures.latencyMs['p50']!);
  expect(figures.latencyMs['max']).toBeGreaterThanOrEqual(figures.latencyMs['p99']!);
  const read = await onCluster(['bench', 'consume', 'measured']);
  expect(read.out).toMatch(/^5,000 records read from measured in [\d.]+ s: [\d,]+ records\/s, [\d.]+ MB\/s\n$/);
  const trips = await onCluster(['bench', 'latency', 'measured', '-n', '20', '-p', '1', '-o', 'json']);
  expect(JSON.parse(trips.out)).toMatchObject({ records: 20 });
  expect((await onCluster(['bench', 'consume', 'never-there'])).err).toContain('there is no topic "never-there"');
});

test('keys are taken from the lines when asked', async () => {
  await onCluster(['topic', 'create', 'pairs', '--partitions', '4']);
  await onCluster(['produce', 'pairs', '--key-separator', ':'], 'a:1\nb:2\na:3\n');
  const { out } = await onCluster(['consume', 'pairs', '--offset', 'earliest', '-n', '3', '-o', 'json']);
  const records = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; value: unknown; partition: number });
  expect(new Set(records.filter(({ key }) => key === 'a').map(({ partition }) => partition)).size).toBe(1);
  expect(records.map(({ key }) => key).toSorted()).toEqual(['a', 'a', 'b']);
});

test('a topic gets more partitions and other configs, and says what is in effect', async () => {
  await onCluster(['topic', 'create', 'altered', '--partitions', '1', '--configs', 'retention.ms=5000000']);
  const words = ['topic', 'alter', 'altered', '--partitions', '3', '--configs', 'segment.ms=60000'];
  const altered = await onCluster([...words, '--unset', 'retention.ms']);
  expect(altered).toEqual({ code: 0, out: 'topic altered has 3 partitions, segment.ms=60000\n', err: '' });
  // What is refused in part is refused as a whole.
  const refused = await onCluster(['topic', 'alter', 'altered', '-p', '2', '--configs', 'segment.ms=70000']);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('currently has 3 partitions')]);
  const described = await onCluster(['topic', 'describe', 'altered']);
  expect(described.out).toMatch(/^segment\.ms +60000 +topic$/m);
  expect(described.out).toMatch(/^retention\.ms +604800000 +-$/m);
  const sent = await onCluster(['produce', 'altered', '--partition', '2'], 'a line\n');
  expect(sent.code).toBe(0);
});

test('configs of a topic, a broker and the cluster are set, listed, described and unset', async () => {
  await onCluster(['topic', 'create', 'configured']);
  const set = await onCluster(['config', 'set', 'log.retention.ms=7000', 'num.partitions=2', '--cluster']);
  expect(set).toEqual({ code: 0, out: 'cluster: 2 configs set\n', err: '' });
  const described = await onCluster(['config', 'describe', '--topic', 'configured', '-o', 'json']);
  const { configs } = JSON.parse(described.out) as { configs: { name: string }[] };
  expect(configs.find(({ name }) => name === 'retention.ms')).toMatchObject({
    name: 'retention.ms',
    value: '7000',
    source: 'cluster',
  });
  expect(configs.find(({ name }) => name === 'flush')).toMatchObject({ value: null });
  await onCluster(['topic', 'create', 'by-default']);
  expect((await onCluster(['topic', 'list'])).out).toMatch(/^by-default +2 /m);
  expect((await onCluster(['config', 'list'])).out).toMatch(/^cluster +num\.partitions +2$/m);
  const live = await onCluster(['config', 'set', 'flush=interval', '--topic', 'configured']);
  expect([live.code, live.err]).toEqual([1, expect.stringContaining('flush is settled when a topic is created')]);
  const nobody = await onCluster(['config', 'set', 'log.retention.ms=1', '--broker', '99']);
  expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('BROKER_ID_NOT_REGISTERED')]);
  const unset = await onCluster(['config', 'unset', 'log.retention.ms', 'num.partitions', '--cluster']);
  expect(unset).toEqual({ code: 0, out: 'cluster: 2 configs unset\n', err: '' });
  expect((await onCluster(['config', 'list', '--cluster', '-o', 'json'])).out).toBe('[]\n');
});

test('a topic is trimmed and deleted', async () => {
  await onCluster(['topic', 'create', 'short-lived', '--partitions', '2']);
  await onCluster(['produce', 'short-lived', '--key-separator', ':'], 'a:1\nb:2\nc:3\nd:4\n');
  const past = await onCluster(['topic', 'trim', 'short-lived', '--before', '99', '-p', '0']);
  expect([past.code, past.err]).toEqual([1, expect.stringContaining('OFFSET_OUT_OF_RANGE')]);
  const trimmed = await onCluster(['topic', 'trim', 'short-lived', '--before', 'end', '-o', 'json']);
  expect(trimmed).toMatchObject({ code: 0, err: '' });
  const { partitions } = JSON.parse(trimmed.out) as { partitions: { earliest: number }[] };
  expect(partitions.reduce((sum, { earliest }) => sum + earliest, 0)).toBe(4);
  const deleted = await onCluster(['topic', 'delete', 'short-lived', 'never-there', '--yes']);
  expect(deleted.out).toBe('topic short-lived deleted\n');
  expect([deleted.code, deleted.err]).toEqual([1, expect.stringContaining('there is no topic "never-there"')]);
  expect((await onCluster(['topic', 'list'])).out).not.toContain('short-lived');
  expect(await onCluster(['topic', 'delete', 'short-lived', '--yes', '--if-exists'])).toMatchObject({ code: 0 });
});

test('wrong words are answered with what is wrong and exit code 2', async () => {
  const command = await runWeir(['nonsense']);
  expect(command.code).toBe(2);
  expect(command.err).toContain('nonsense');
  const option = await onCluster(['topic', 'list', '--colour', 'red']);
  expect(option.code).toBe(2);
  expect(option.err).toContain('--colour');
  const value = await runWeir(['broker', '--flush', 'never']);
  expect(value.code).toBe(2);
  expect(value.err).toContain('commit, interval');
});

test('a coordinator that is not there is named', async () => {
  const answer = await runWeir(['topic', 'list', '--coordinators', '127.0.0.1:1']);
  expect(answer.code).toBe(1);
  expect(answer.err).toContain('127.0.0.1:1');
});

test('help is there on every level and exits with 0', async () => {
  for (const words of [
    ['--help'],
    ['dev', '--help'],
    ['broker', '--help'],
    ['topic', '--help'],
    ['produce', '--help'],
    ['consume', '--help'],
  ]) {
    const { code, out } = await runWeir(words);
    expect(code, words.join(' ')).toBe(0);
    expect(out, words.join(' ')).toContain('Usage');
  }
});

test('scripts learn from an exit code whether a cluster is healthy', async () => {
  const pair = await new DevCluster(
    '--separate',
    '--brokers',
    '2',
    '--coordinator.default-replication-factor',
    '1',
  ).start();
  try {
    const at = ['--coordinators', pair.service('coordinator').grpc!];
    await runWeir(['topic', 'create', 'spread', '--partitions', '4', ...at]);
    const well = await runWeir(['cluster', 'health', '--exit-code', ...at]);
    expect(well).toEqual({ code: 0, out: 'healthy: 2 brokers, 1 topic, 4 partitions\n', err: '' });
    process.kill(pair.services.find(({ kind, id }) => kind === 'broker' && id === '2')!.pid, 'SIGKILL');
    const health = async () => JSON.parse((await runWeir(['cluster', 'health', '-o', 'json', ...at])).out) as unknown;
    await expect.poll(health, { timeout: 20_000 }).toMatchObject({
      status: 'down',
      brokers: 2,
      problems: [expect.stringMatching(/^spread: 2 of 4 partitions \(\d, \d\) without a leader$/), expect.anything()],
    });
    const ill = await runWeir(['cluster', 'health', '--exit-code', ...at]);
    expect(ill).toMatchObject({ code: 1, err: '' });
    expect(ill.out).toMatch(/^down: 2 brokers.*\n {2}spread: .*\n {2}broker 2 is away \(it was at .*\)\n$/);
    expect((await runWeir(['cluster', 'health', ...at])).code).toBe(0);
  } finally {
    await pair.remove();
  }
});
