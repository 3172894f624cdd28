// @platformatic/kafka. Its streams belong to consumer groups; its consumer's fetch() reads assigned partitions.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Admin,
  compatibilityPartitioner,
  ConfigResourceTypes,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  Producer,
} from '@platformatic/kafka';
import { groupScenarios } from './groups.mjs';

const base = BigInt(Date.now() - 3_600_000);
const common = { clientId: 'weir-test', bootstrapBrokers: [process.env.BOOTSTRAP], retries: 2, metadataMaxAge: 100 };
const admin = new Admin(common);
const consumer = new Consumer({ ...common, groupId: 'none' });
const text = (topic) => topic?.toString();
let seen = {};

class NotApplicable extends Error {}

const without = (why) => () => {
  throw new NotApplicable(why);
};

const scenarios = {
  'roundtrip-none': (topic) => roundtrip(topic, 'none'),
  'roundtrip-gzip': (topic) => roundtrip(topic, 'gzip'),
  'roundtrip-snappy': (topic) => roundtrip(topic, 'snappy'),
  'roundtrip-lz4': (topic) => roundtrip(topic, 'lz4'),
  'roundtrip-zstd': (topic) => roundtrip(topic, 'zstd'),
  partitioner,
  acks,
  idempotent,
  large,
  offsets,
  seek,
  'long-poll': longPoll,
  'admin-topics': adminTopics,
  'admin-configs': adminConfigs,
  'admin-records': adminRecords,
  'admin-cluster': adminCluster,
  'auto-create': autoCreate,
  recreate,
};

const groups = groupScenarios({ common, admin, see, outcome, create, fill, send, without });
Object.assign(scenarios, groups.scenarios);
if (process.env.MEMBER_OF !== undefined) {
  await groups.beKilled();
  await new Promise(() => {});
}
for (const name of process.env.SCENARIO.split(',')) {
  seen = {};
  const line = { scenario: name, ok: false };
  try {
    line.detail = (await scenarios[name](`${process.env.RUN}-${name}`)) ?? '';
    line.ok = true;
  } catch (error) {
    if (error instanceof NotApplicable) line.na = error.message;
    else line.detail = `${error} ${idOf(error) ?? ''}`;
  }
  console.log(JSON.stringify({ ...line, seen }));
}
process.exit(0);

function see(key, value) {
  seen[key] = String(value);
}

/** "ok", or the name of the error that the broker answered with. */
async function outcome(promise) {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return idOf(error) ?? `${error.code} ${error.message.replaceAll(process.env.RUN, 'RUN')}`;
  }
}

function idOf(error) {
  if (error.apiId !== undefined) return error.apiId;
  for (const inner of [...(error.errors ?? []), error.cause]) {
    const found = inner === undefined ? undefined : idOf(inner);
    if (found !== undefined) return found;
  }
}

/** Asks until the answer is this one, at most five seconds: admin answers may come before brokers know. */
async function settle(expected, ask) {
  let last = await ask();
  for (let i = 0; i < 50 && last !== expected; i++) {
    await pause(100);
    last = await ask();
  }
  return last;
}

function entries(configs) {
  return Object.entries(configs).map(([name, value]) => ({ name, value }));
}

async function create(topic, partitions, configs = {}) {
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: entries(configs) });
  // A send that some leaders refuse because they do not know yet that they lead is sent again to all of them.
  const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1n }));
  await settle('ok', () => outcome(admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })));
}

async function withProducer(settings, use) {
  const producer = new Producer({ ...common, ...settings });
  try {
    return await use(producer);
  } finally {
    await producer.close();
  }
}

function send(messages, settings = {}) {
  return withProducer(settings, (producer) => producer.send({ messages, acks: -1, ...settings }));
}

function numbered(topic, i, partitions) {
  const value = i % 7 === 3 ? undefined : Buffer.from(i % 7 === 4 ? '' : `value-${i}-${'x'.repeat((i % 50) * 10)}`);
  const headers = new Map(
    i % 3 === 0
      ? []
      : [
          [Buffer.from('a'), Buffer.from(`h${i}`)],
          [Buffer.from('b'), Buffer.from('')],
        ],
  );
  const key = i % 5 === 0 ? undefined : Buffer.from(`key-${i}`);
  return { topic, partition: i % partitions, key, value, headers, timestamp: base + BigInt(i * 1_000) };
}

/** Values "0", "1", … on partition 0, a second apart. */
async function fill(topic, count) {
  const values = Array.from({ length: count }, (_, i) => Buffer.from(String(i)));
  const messages = values.map((value, i) => ({ topic, partition: 0, value, timestamp: base + BigInt(i * 1_000) }));
  await send(messages);
}

/** One request for one partition. */
async function fetch(topic, { partition = 0, offset = 0n, maxWaitTime = 500 }) {
  const metadata = await consumer.metadata({ topics: [topic] });
  const { id, partitions } = metadata.topics.get(topic);
  const { leader, leaderEpoch } = partitions[partition];
  const asked = {
    partition,
    currentLeaderEpoch: leaderEpoch,
    fetchOffset: offset,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 8_000_000,
  };
  const options = {
    node: leader,
    topics: [{ topicId: id, partitions: [asked] }],
    maxWaitTime,
    minBytes: 1,
    maxBytes: 8_000_000,
  };
  const { responses } = await consumer.fetch(options);
  const records = (responses[0]?.partitions[0].records ?? []).flatMap((batch) =>
    batch.records.map((record) => ({
      partition,
      offset: batch.firstOffset + BigInt(record.offsetDelta),
      timestamp: batch.firstTimestamp + record.timestampDelta,
      key: record.key,
      value: record.value,
      headers: [...record.headers],
    })),
  );
  // A batch that the offset lies in comes whole.
  return records.filter((record) => record.offset >= offset);
}

/** Reads until there are so many, or ten seconds are over. */
async function read(topic, count, { partition = 0, offset = 0n } = {}) {
  const all = [];
  const deadline = Date.now() + 10_000;
  while (all.length < count && Date.now() < deadline) {
    const from = all.length === 0 ? offset : all.at(-1).offset + 1n;
    all.push(...(await fetch(topic, { partition, offset: from })));
  }
  return all;
}

function inOrder(records, from, to) {
  const expected = Array.from({ length: to - from }, (_, i) => String(from + i));
  assert.deepEqual(
    records.map(({ value }) => value.toString()),
    expected,
  );
}

function plain(key, value, headers, timestamp) {
  return [text(key), text(value), ...[...headers].flat().map(text), timestamp].map(String).join('|');
}

async function roundtrip(topic, compression) {
  await create(topic, 12);
  const messages = Array.from({ length: 240 }, (_, i) => numbered(topic, i, 12));
  const { offsets: bases } = await send(messages, { compression });
  assert.equal(bases.length, 12);
  for (let partition = 0; partition < 12; partition++) {
    const records = await read(topic, 20, { partition });
    const found = records.map((record) =>
      plain(record.key ?? undefined, record.value ?? undefined, record.headers, record.timestamp),
    );
    const sent = messages.filter((message) => message.partition === partition);
    assert.deepEqual(
      found,
      sent.map((message) => plain(message.key, message.value, message.headers, message.timestamp)),
    );
  }
}

async function partitioner(topic) {
  await create(topic, 12);
  const hash = (settings) =>
    withProducer(settings, async (producer) => {
      const found = [];
      for (let i = 0; i < 100; i++) {
        const messages = [{ topic, key: Buffer.from(`key-${i}`), value: Buffer.from('v') }];
        const { offsets: places } = await producer.send({ messages, acks: -1 });
        found.push(places[0].partition);
      }
      return createHash('md5').update(found.join(' ')).digest('hex').slice(0, 8);
    });
  see('partitions', await hash({}));
  see('as in Java', await hash({ partitioner: compatibilityPartitioner }));
  return `keys ${seen.partitions}, compatibility ${seen['as in Java']}`;
}

async function acks(topic) {
  await create(topic, 1);
  for (const level of [0, 1, -1]) {
    const messages = Array.from({ length: 20 }, (_, i) => ({ topic, value: Buffer.from(`${level}${i}`) }));
    await send(messages, { acks: level });
  }
  assert.equal((await read(topic, 60)).length, 60);
}

async function idempotent(topic) {
  await create(topic, 1);
  await withProducer({ idempotent: true, maxInflights: 5 }, async (producer) => {
    const sent = Array.from({ length: 200 }, (_, i) =>
      producer.send({
        acks: -1,
        messages: Array.from({ length: 10 }, (__, j) => ({ topic, value: Buffer.from(String(i * 10 + j)) })),
      }),
    );
    await Promise.all(sent);
  });
  inOrder(await read(topic, 2_000), 0, 2_000);
}

async function large(topic) {
  await create(topic, 1, { 'max.message.bytes': '2097152' });
  const sendOne = (size) => send([{ topic, value: Buffer.alloc(size) }]);
  await sendOne(1_048_576);
  await sendOne(2_000_000);
  see('too large', await outcome(sendOne(3_000_000)));
  const sizes = (await read(topic, 2)).map(({ value }) => value.length);
  assert.deepEqual([sizes, seen['too large']], [[1_048_576, 2_000_000], 'MESSAGE_TOO_LARGE']);
}

async function offsets(topic) {
  await create(topic, 1);
  await fill(topic, 99);
  await send([{ topic, value: Buffer.from('late'), timestamp: base }]);
  const at = async (timestamp) => {
    const partitions = [{ partitionIndex: 0, timestamp }];
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    const { offset, timestamp: time } = found.partitions[0];
    return time < 0n ? String(offset) : `${offset} +${time - base}`;
  };
  const asked = { earliest: -2n, latest: -1n, 'max timestamp': -3n, 'earliest local': -4n, 'latest tiered': -5n };
  for (const [name, timestamp] of Object.entries(asked)) see(name, await at(timestamp).catch((error) => idOf(error)));
  for (const after of [50_000n, 50_001n, 500_000n]) see(`at ${after}`, await at(base + after));
  const [latest] = (await consumer.listOffsets({ topics: [topic] })).get(topic);
  see('latest for consumers', latest);
  assert.equal(`${seen['max timestamp']}, ${seen['at 50001']}`, '98 +98000, 51 +51000');
}

async function seek(topic) {
  await create(topic, 1);
  await fill(topic, 100);
  inOrder(await read(topic, 50, { offset: 50n }), 50, 100);
  see('out of range', await outcome(fetch(topic, { offset: 5_000n })));
  assert.equal(seen['out of range'], 'OFFSET_OUT_OF_RANGE');
}

async function longPoll(topic) {
  await create(topic, 1);
  await fill(topic, 1);
  assert.equal((await read(topic, 1)).length, 1);
  const before = Date.now();
  assert.equal((await fetch(topic, { offset: 1n, maxWaitTime: 300 })).length, 0);
  assert.ok(Date.now() - before < 2_000, 'an empty fetch took too long');
  return withProducer({}, async (producer) => {
    await producer.metadata({ topics: [topic] });
    const waiting = fetch(topic, { offset: 1n, maxWaitTime: 5_000 });
    await pause(700);
    const sentMs = Date.now();
    const sent = producer.send({ messages: [{ topic, value: Buffer.from('now') }], acks: -1 });
    assert.equal((await waiting).length, 1);
    const ms = Date.now() - sentMs;
    await sent;
    assert.ok(ms < 500, `it came after ${ms} ms`);
    return `${ms} ms`;
  });
}

async function adminTopics(topic) {
  await create(topic, 3, { 'retention.ms': '3600000' });
  see('listed', (await admin.listTopics()).includes(topic));
  const described = async () => {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    return `${topics.get(topic).partitionsCount} partitions`;
  };
  see('described', await described());
  const creating = (name, partitions, replicas, configs = {}) =>
    outcome(admin.createTopics({ topics: [name], partitions, replicas, configs: entries(configs) }));
  see('again', await creating(topic, 1, 1));
  see('0 partitions', await creating(`${topic}-0`, 0, 1));
  see('defaults', await creating(`${topic}-d`, -1, -1));
  see('9 replicas', await creating(`${topic}-9`, 1, 9));
  see('bad name', await creating('a/b', 1, 1));
  see('bad config', await creating(`${topic}-c`, 1, 1, { 'retention.ms': 'soon' }));
  see('unknown config', await creating(`${topic}-u`, 1, 1, { 'no.such': '1' }));
  const grow = (count) => outcome(admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] }));
  see('more partitions', await grow(5));
  see('fewer partitions', await grow(2));
  see('partitions', await settle('5 partitions', described));
  see('delete', await outcome(admin.deleteTopics({ topics: [topic] })));
  see('delete again', await outcome(admin.deleteTopics({ topics: [topic] })));
  see('unknown', await outcome(admin.metadata({ topics: [topic], forceUpdate: true })));
  assert.equal(`${seen.again}, ${seen.partitions}`, 'TOPIC_ALREADY_EXISTS, 5 partitions');
}

async function adminConfigs(topic) {
  await create(topic, 1, { 'retention.ms': '3600000' });
  const resourceType = ConfigResourceTypes.TOPIC;
  const names = ['cleanup.policy', 'max.message.bytes', 'retention.ms'];
  const describe = async () => {
    const resources = [{ resourceType, resourceName: topic, configurationKeys: names }];
    const [{ configs }] = await admin.describeConfigs({ resources });
    const sorted = configs.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return sorted.map(({ name, value, configSource }) => `${name}=${value} ${configSource}`).join(', ');
  };
  see('created', await describe());
  const { SET, DELETE } = IncrementalAlterConfigOperationTypes;
  const alter = (resourceName, configs) =>
    outcome(admin.incrementalAlterConfigs({ resources: [{ resourceType, resourceName, configs }] }));
  const set = (name, value) => ({ name, value, configOperation: SET });
  see('incremental', await alter(topic, [set('max.message.bytes', '2000000')]));
  see('delete', await alter(topic, [{ name: 'retention.ms', configOperation: DELETE }]));
  const altered = 'cleanup.policy=delete 5, max.message.bytes=2000000 1, retention.ms=604800000 5';
  see('altered', await settle(altered, describe));
  see('bad value', await alter(topic, [set('retention.ms', 'soon')]));
  see('unknown topic', await alter(`${topic}-none`, [set('retention.ms', '1')]));
  const old = { resourceType, resourceName: topic, configs: [{ name: 'retention.ms', value: '7200000' }] };
  see('old alter', await outcome(admin.alterConfigs({ resources: [old] })));
  see(
    'replaced',
    await settle('cleanup.policy=delete 5, max.message.bytes=1048588 5, retention.ms=7200000 1', describe),
  );
}

async function adminRecords(topic) {
  await create(topic, 1);
  await fill(topic, 100);
  const remove = (offset) => admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset }] }] });
  const [{ partitions }] = await remove(40n);
  see('low watermark', partitions[0].lowWatermark);
  see('beyond the end', await outcome(remove(500n)));
  see('below the start', await outcome(fetch(topic, { offset: 10n })));
  inOrder(await read(topic, 60, { offset: 40n }), 40, 100);
  assert.equal(seen['low watermark'], '40');
}

async function adminCluster(topic) {
  await create(topic, 1);
  await fill(topic, 100);
  const { brokers, controllerId, id } = await admin.metadata({ forceUpdate: true });
  see('nodes', brokers.size);
  see('controller is a node', brokers.has(controllerId));
  assert.ok(id.length > 0, 'no cluster id');
  const [{ results }] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] });
  see(
    'size is known',
    results.some(({ topics }) =>
      topics.some(({ name, partitions }) => name === topic && partitions[0].partitionSize > 0n),
    ),
  );
}

async function autoCreate(topic) {
  see('not allowed', await outcome(admin.metadata({ topics: [topic], forceUpdate: true })));
  see('exists then', (await admin.listTopics()).includes(topic));
  see(
    'allowed',
    await settle('ok', () => outcome(send([{ topic, value: Buffer.from('v') }], { autocreateTopics: true }))),
  );
  see('exists at the end', (await admin.listTopics()).includes(topic));
}

async function recreate(topic) {
  await create(topic, 1);
  await fill(topic, 10);
  const { topics } = await consumer.metadata({ topics: [topic], forceUpdate: true });
  const old = topics.get(topic).id;
  inOrder(await read(topic, 10), 0, 10);
  await admin.deleteTopics({ topics: [topic] });
  const partition = {
    partition: 0,
    currentLeaderEpoch: 0,
    fetchOffset: 0n,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1_000,
  };
  const node = topics.get(topic).partitions[0].leader;
  const stale = () =>
    outcome(consumer.fetch({ node, topics: [{ topicId: old, partitions: [partition] }], maxWaitTime: 100 }));
  see('by its old id', await settle('UNKNOWN_TOPIC_ID', stale));
  await create(topic, 1);
  await fill(topic, 5);
  see('and later', await stale());
  const now = await consumer.metadata({ topics: [topic], forceUpdate: true });
  assert.notEqual(now.topics.get(topic).id, old);
  inOrder(await read(topic, 5), 0, 5);
}
