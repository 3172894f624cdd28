import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BROKER_CONFIGS, brokerConfigsProblem, synonymOf, topicDefaults } from './broker-configs.ts';
import { describeBrokerConfigs, describeTopicConfigs } from './describe-configs.ts';
import { electsUncleanly, minInSyncReplicas, TOPIC_CONFIGS, topicConfigsProblem } from './topic-configs.ts';

test('every default is a value that may be set', () => {
  for (const [name, { default: value }] of Object.entries(TOPIC_CONFIGS)) {
    expect(topicConfigsProblem({ [name]: value })).toBeUndefined();
  }
  for (const [name, { default: value }] of Object.entries(BROKER_CONFIGS)) {
    expect(brokerConfigsProblem('cluster', { [name]: value })).toBeUndefined();
  }
});

test('what clients of Kafka commonly set and is so anyway is taken', () => {
  const common = {
    'compression.type': 'producer',
    'message.timestamp.type': 'CreateTime',
    'min.insync.replicas': '1',
    'segment.bytes': '1048576',
    'unclean.leader.election.enable': 'false',
    'cleanup.policy': 'compact,delete',
    'delete.retention.ms': '0',
    'min.cleanable.dirty.ratio': '0.05',
    'min.compaction.lag.ms': '5',
    'max.compaction.lag.ms': '5',
  };
  expect(topicConfigsProblem(common)).toBeUndefined();
});

test('what would have no effect is refused, with the reason', () => {
  const refused: readonly [Record<string, string>, string][] = [
    [{ 'cleanup.policy': 'compacted' }, 'not a list of one or more of compact, delete'],
    [{ 'cleanup.policy': '' }, 'cleanup.policy ""'],
    [{ 'cleanup.policy': 'delete,delete' }, 'cleanup.policy'],
    [{ 'cleanup.policy': `delete${','.repeat(2_000)}` }, 'cleanup.policy'],
    [{ 'compression.type': 'zstd' }, 'not one of producer (batches are stored as they came)'],
    [{ 'min.insync.replicas': '0' }, 'not a whole number from 1'],
    [{ 'leader.replication.throttled.replicas': '*' }, 'replication has no throttle'],
    [{ 'min.cleanable.dirty.ratio': '1.1' }, 'not a number from 0 to 1'],
    [{ 'min.cleanable.dirty.ratio': '' }, 'not a number from 0 to 1'],
    [{ 'min.compaction.lag.ms': '6', 'max.compaction.lag.ms': '5' }, 'is more than max.compaction.lag.ms 5'],
    [{ 'delete.retention.ms': '-1' }, 'not a whole number from 0'],
    [{ 'flush.ms': '1' }, '"flush" says when records are synced'],
    [{ 'retention.sm': '1' }, '"retention.sm" is not a topic config; there are'],
    [{ 'retention.ms': '-2' }, 'not a whole number from -1 (no limit)'],
    [{ 'retention.ms': '1e3' }, 'not a whole number'],
    [{ 'segment.bytes': '2000000', 'max.message.bytes': '2000001' }, 'a batch has to fit a segment'],
  ];
  for (const [configs, why] of refused) expect(topicConfigsProblem(configs)).toContain(why);
});

test('what is the same for all brokers cannot be set of one', () => {
  expect(brokerConfigsProblem('cluster', { 'num.partitions': '3' })).toBeUndefined();
  expect(brokerConfigsProblem('broker', { 'num.partitions': '3' })).toContain('the same for all brokers');
  expect(brokerConfigsProblem('broker', { 'log.retention.ms': '3' })).toBeUndefined();
  expect(brokerConfigsProblem('broker', { 'num.io.threads': '3' })).toContain('there are auto.create.topics.enable');
});

test('the value that counts is the one of the topic, then the broker, the cluster, the options, and the default', () => {
  const place = fc.record({ 'log.retention.ms': fc.nat().map(String) }, { requiredKeys: [] });
  const ofTopic = fc.record({ 'retention.ms': fc.nat().map(String) }, { requiredKeys: [] });
  fc.assert(
    fc.property(ofTopic, place, place, place, (topic, broker, cluster, statics) => {
      const described = describeTopicConfigs({ topic, broker, cluster, statics });
      const { value, source, synonyms } = described.find(({ name }) => name === 'retention.ms')!;
      const wanted = [
        topic['retention.ms'],
        ...[broker, cluster, statics].map((configs) => configs['log.retention.ms']),
        TOPIC_CONFIGS['retention.ms'].default,
      ];
      expect(value).toBe(wanted.find((one) => one !== undefined));
      expect(synonyms.map((synonym) => synonym.value)).toEqual(wanted.filter((one) => one !== undefined));
      expect(source).toBe(
        ['topic', 'broker', 'cluster', 'static', 'default'][wanted.findIndex((one) => one !== undefined)],
      );
      // What brokers do is what is described.
      const inEffect = { ...topicDefaults(cluster, broker), ...topic }['retention.ms'];
      expect(inEffect).toBe(wanted.slice(0, 3).find((one) => one !== undefined));
    }),
  );
});

test("the minimum of in-sync replicas is the topic's, else the cluster's, else by the number of replicas, and never above that", () => {
  const min = (count: number): Record<string, string> => ({ 'min.insync.replicas': String(count) });
  expect([1, 2, 3, 4].map((factor) => minInSyncReplicas({}, {}, factor))).toEqual([1, 1, 2, 2]);
  expect([1, 2, 3, 4].map((factor) => minInSyncReplicas({}, min(3), factor))).toEqual([1, 2, 3, 3]);
  expect([1, 2, 3, 4].map((factor) => minInSyncReplicas(min(1), min(3), factor))).toEqual([1, 1, 1, 1]);
  expect(topicDefaults(min(3), {})).toEqual(min(3));
});

test('the default that is described is the one of a topic with so many replicas', () => {
  const described = (factor?: number) =>
    describeTopicConfigs({ cluster: {}, statics: {} }, factor).find(({ name }) => name === 'min.insync.replicas');
  expect([undefined, 1, 2, 3, 4].map((factor) => described(factor)?.value)).toEqual(['1', '1', '1', '2', '2']);
  expect(described(3)?.synonyms).toEqual([{ name: 'min.insync.replicas', value: '2', source: 'default' }]);
});

test('an unclean election is allowed by the topic, else by the cluster, else not', () => {
  const enable = (value: string): Record<string, string> => ({ 'unclean.leader.election.enable': value });
  expect(electsUncleanly({}, {})).toBe(false);
  expect(electsUncleanly({}, enable('true'))).toBe(true);
  expect(electsUncleanly(enable('false'), enable('true'))).toBe(false);
  expect(electsUncleanly(enable('true'), {})).toBe(true);
});

test('a synonym has the name of its place', () => {
  const cluster = { 'message.max.bytes': '7' };
  const described = describeTopicConfigs({
    topic: { 'max.message.bytes': '5' },
    cluster,
    statics: { flush: 'interval' },
  });
  expect(described.find(({ name }) => name === 'max.message.bytes')).toMatchObject({
    readOnly: false,
    synonyms: [
      { name: 'max.message.bytes', value: '5', source: 'topic' },
      { name: 'message.max.bytes', value: '7', source: 'cluster' },
      { name: 'message.max.bytes', source: 'default' },
    ],
  });
  expect(described.find(({ name }) => name === 'flush')).toMatchObject({
    readOnly: true,
    value: 'interval',
    source: 'static',
  });
  expect(synonymOf('segment.ms')).toBe('log.roll.ms');
  const ofBroker = describeBrokerConfigs({ broker: {}, cluster, statics: { 'num.partitions': '4' } });
  expect(ofBroker.map(({ name, value, source }) => [name, value, source])).toEqual(
    expect.arrayContaining([
      ['message.max.bytes', '7', 'cluster'],
      ['num.partitions', '4', 'static'],
      ['log.retention.bytes', '-1', 'default'],
    ]),
  );
});
