// KafkaJS. It reads in consumer groups only, so what it wrote is counted by offsets here.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';
import snappy from 'kafkajs-snappy';
import { groupScenarios } from './groups.mjs';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = snappy;
// Its documentation: codecs other than gzip are brought along.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer) => promisify(zstdDecompress)(buffer),
});

const base = Date.now() - 3_600_000;
const kafka = new Kafka({ brokers: [process.env.BOOTSTRAP], logLevel: logLevel.NOTHING, retry: { retries: 2 } });
const admin = kafka.admin();
let seen = {};

class NotApplicable extends Error {}

const without = (why) => () => {
  throw new NotApplicable(why);
};

const scenarios = {
  'roundtrip-none': (topic) => roundtrip(topic, CompressionTypes.None),
  'roundtrip-gzip': (topic) => roundtrip(topic, CompressionTypes.GZIP),
  'roundtrip-snappy': (topic) => roundtrip(topic, CompressionTypes.Snappy),
  'roundtrip-lz4': without('no codec of its own for lz4'),
  'roundtrip-zstd': (topic) => roundtrip(topic, CompressionTypes.ZSTD),
  partitioner,
  acks,
  idempotent,
  large,
  offsets,
  seek: without('reads in groups only'),
  'long-poll': without('reads in groups only'),
  'admin-topics': adminTopics,
  'admin-configs': adminConfigs,
  'admin-records': adminRecords,
  'admin-cluster': adminCluster,
  'auto-create': autoCreate,
  recreate: without('reads in groups only'),
};

const groups = groupScenarios({ kafka, admin, see, outcome, create, fill, withProducer, without });
Object.assign(scenarios, groups.scenarios);
if (process.env.MEMBER_OF !== undefined) {
  await groups.beKilled();
  await new Promise(() => {});
}
await admin.connect();
for (const name of process.env.SCENARIO.split(',')) {
  seen = {};
  const line = { scenario: name, ok: false };
  try {
    line.detail = (await scenarios[name](`${process.env.RUN}-${name}`)) ?? '';
    line.ok = true;
  } catch (error) {
    if (error instanceof NotApplicable) line.na = error.message;
    else line.detail = String(error.errors?.[0] ?? error);
  }
  console.log(JSON.stringify({ ...line, seen }));
}
await admin.disconnect();
process.exit(0);

function see(key, value) {
  seen[key] = String(value);
}

/** "ok", or the name of the error. */
async function outcome(promise) {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    const [first = error] = error.errors ?? [];
    return first.type ?? first.cause?.type ?? first.error?.type ?? `${first.name}: ${first.message}`;
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

async function create(topic, numPartitions, configs = {}) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] });
  // A send that some leaders refuse because they do not know yet that they lead is sent again to these, and tells only
  // of these.
  await settle('ok', () => outcome(admin.fetchTopicOffsets(topic)));
}

async function withProducer(settings, use) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...settings });
  await producer.connect();
  try {
    return await use(producer);
  } finally {
    await producer.disconnect();
  }
}

/** The ends of a topic's partitions, in their order. */
async function ends(topic) {
  const found = await admin.fetchTopicOffsets(topic);
  return found.toSorted((a, b) => a.partition - b.partition).map(({ high }) => high);
}

function numbered(i, partitions) {
  const value = i % 7 === 3 ? null : i % 7 === 4 ? '' : `value-${i}-${'x'.repeat((i % 50) * 10)}`;
  const headers = i % 3 === 0 ? {} : { a: [`h${i}`, 'again'], b: '' };
  const key = i % 5 === 0 ? null : `key-${i}`;
  return { partition: i % partitions, key, value, headers, timestamp: String(base + i * 1_000) };
}

/** Values "0", "1", … on partition 0, a second apart. */
async function fill(topic, count) {
  const messages = Array.from({ length: count }, (_, i) => ({
    partition: 0,
    value: String(i),
    timestamp: String(base + i * 1_000),
  }));
  await withProducer({}, (producer) => producer.send({ topic, messages }));
}

async function roundtrip(topic, compression) {
  await create(topic, 12);
  const messages = Array.from({ length: 240 }, (_, i) => numbered(i, 12));
  const sent = await withProducer({}, (producer) => producer.send({ topic, messages, compression, acks: -1 }));
  assert.ok(sent.length === 12 && sent.every(({ errorCode, baseOffset }) => errorCode === 0 && baseOffset === '0'));
  assert.deepEqual(
    await ends(topic),
    Array.from({ length: 12 }, () => '20'),
  );
  return 'written; it reads in groups only';
}

async function partitioner(topic) {
  await create(topic, 12);
  const partitions = await withProducer({}, async (producer) => {
    const found = [];
    for (let i = 0; i < 100; i++) {
      const [{ partition }] = await producer.send({ topic, messages: [{ key: `key-${i}`, value: 'v' }] });
      found.push(partition);
    }
    return found;
  });
  see('partitions', createHash('md5').update(partitions.join(' ')).digest('hex').slice(0, 8));
  return `keys ${seen.partitions}`;
}

async function acks(topic) {
  await create(topic, 1);
  await withProducer({}, async (producer) => {
    for (const level of [0, 1, -1]) {
      for (let i = 0; i < 20; i++) await producer.send({ topic, acks: level, messages: [{ value: `${level}${i}` }] });
    }
  });
  assert.deepEqual(await ends(topic), ['60']);
}

async function idempotent(topic) {
  await create(topic, 1);
  await withProducer({ idempotent: true, maxInFlightRequests: 5 }, async (producer) => {
    const sent = Array.from({ length: 200 }, (_, i) =>
      producer.send({ topic, messages: Array.from({ length: 10 }, (__, j) => ({ value: String(i * 10 + j) })) }),
    );
    await Promise.all(sent);
  });
  assert.deepEqual(await ends(topic), ['2000']);
}

async function large(topic) {
  await create(topic, 1, { 'max.message.bytes': '2097152' });
  await withProducer({ retry: { retries: 0 } }, async (producer) => {
    const send = (size) => producer.send({ topic, messages: [{ value: Buffer.alloc(size) }] });
    await send(1_048_576);
    await send(2_000_000);
    see('too large', await outcome(send(3_000_000)));
  });
  assert.deepEqual([await ends(topic), seen['too large']], [['2'], 'MESSAGE_TOO_LARGE']);
}

async function offsets(topic) {
  await create(topic, 1);
  await fill(topic, 100);
  const [{ low, high, offset }] = await admin.fetchTopicOffsets(topic);
  see('range', `${low} ${high} ${offset}`);
  for (const after of [50_000, 50_001, 500_000]) {
    const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, base + after);
    see(`at ${after}`, found.offset);
  }
  see('unknown', await outcome(admin.fetchTopicOffsets(`${topic}-none`)));
  assert.equal(`${seen.range}, ${seen['at 50001']}`, '0 100 100, 51');
}

async function adminTopics(topic) {
  await create(topic, 3, { 'retention.ms': '3600000' });
  see('listed', (await admin.listTopics()).includes(topic));
  const described = async (name) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    return `${topics[0].partitions.length} partitions`;
  };
  see('described', await described(topic));
  const creating = (name, numPartitions, replicationFactor, configEntries = []) =>
    outcome(admin.createTopics({ topics: [{ topic: name, numPartitions, replicationFactor, configEntries }] }));
  // It makes an error of its own of most, and says false to this one.
  see('again', await admin.createTopics({ topics: [{ topic }] }));
  see('0 partitions', await creating(`${topic}-0`, 0, 1));
  see('defaults', await creating(`${topic}-d`, -1, -1));
  see('9 replicas', await creating(`${topic}-9`, 1, 9));
  see('bad name', await creating('a/b', 1, 1));
  see('bad config', await creating(`${topic}-c`, 1, 1, [{ name: 'retention.ms', value: 'soon' }]));
  see('unknown config', await creating(`${topic}-u`, 1, 1, [{ name: 'no.such', value: '1' }]));
  const grow = (count) => outcome(admin.createPartitions({ topicPartitions: [{ topic, count }] }));
  see('more partitions', await grow(5));
  see('fewer partitions', await grow(2));
  see('partitions', await settle('5 partitions', () => described(topic)));
  see('delete', await outcome(admin.deleteTopics({ topics: [topic] })));
  see('delete again', await outcome(admin.deleteTopics({ topics: [topic] })));
  assert.equal(`${seen.again}, ${seen.partitions}`, 'false, 5 partitions');
}

async function adminConfigs(topic) {
  await create(topic, 1, { 'retention.ms': '3600000' });
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const names = ['cleanup.policy', 'max.message.bytes', 'retention.ms'];
  const describe = async () => {
    const asked = [{ ...resource, configNames: names }];
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: asked });
    const entries = resources[0].configEntries.toSorted((a, b) => (a.configName < b.configName ? -1 : 1));
    return entries.map((entry) => `${entry.configName}=${entry.configValue} ${entry.configSource}`).join(', ');
  };
  see('created', await describe());
  const alter = (name, key, value) =>
    outcome(
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, name, configEntries: [{ name: key, value }] }],
      }),
    );
  see('old alter', await alter(topic, 'max.message.bytes', '2000000'));
  const replaced = 'cleanup.policy=delete 5, max.message.bytes=2000000 1, retention.ms=604800000 5';
  see('replaced', await settle(replaced, describe));
  see('bad value', await alter(topic, 'retention.ms', 'soon'));
  see('unknown topic', await alter(`${topic}-none`, 'retention.ms', '1'));
}

async function adminRecords(topic) {
  await create(topic, 1);
  await fill(topic, 100);
  const remove = (offset) => outcome(admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] }));
  see('delete', await remove('40'));
  see('beyond the end', await remove('500'));
  const [{ low, high }] = await admin.fetchTopicOffsets(topic);
  see('range', `${low} ${high}`);
  assert.equal(`${seen.delete}, ${seen.range}`, 'ok, 40 100');
}

async function adminCluster() {
  const { brokers, controller, clusterId } = await admin.describeCluster();
  see('nodes', brokers.length);
  see(
    'controller is a node',
    brokers.some(({ nodeId }) => nodeId === controller),
  );
  assert.ok(clusterId.length > 0, 'no cluster id');
  return 'no call for DescribeLogDirs';
}

async function autoCreate(topic) {
  const send = (allowAutoTopicCreation) =>
    withProducer({ allowAutoTopicCreation }, (producer) =>
      outcome(producer.send({ topic, messages: [{ value: 'v' }] })),
    );
  see('not allowed', await send(false));
  see('exists then', (await admin.listTopics()).includes(topic));
  see('allowed', await settle('ok', () => send(true)));
  see('exists at the end', (await admin.listTopics()).includes(topic));
}
