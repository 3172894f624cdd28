import { PRODUCER_IDS_PER_BLOCK } from '@weir/base/limits.ts';
import { expect, test } from 'vitest';
import type { AlterationResult } from './alter-configs.ts';
import { TEST_REQUESTER, TestController } from './test-controller.ts';

const codeOf = (result: AlterationResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.code : String(result?.kind);
const messageOf = (result: AlterationResult | undefined): string =>
  result?.kind === 'refused' ? result.refusal.message : '';

function withTopics(topics: Readonly<Record<string, Record<string, string>>>): TestController {
  const controller = new TestController();
  controller.register(1);
  controller.createTopics(Object.entries(topics).map(([name, configs]) => ({ name, configs, partitionCount: 2 })));
  return controller;
}

const configsOf = ({ image }: TestController, topic: string): unknown => image.topics.get(topic)!.configs;
const entitiesOf = ({ effects }: TestController): unknown[] =>
  effects.flatMap((effect) => (effect.kind === 'publish' ? effect.entities : []));

test('incrementally, what is not named stays; as a whole, it goes', () => {
  const controller = withTopics({ a: { 'retention.ms': '5', 'segment.ms': '6' } });
  const a = { type: 'topic', name: 'a' } as const;
  const [altered] = controller.alterConfigs([{ ...a, set: [['retention.ms', '7']], delete: [['segment.ms']] }]);
  expect(configsOf(controller, 'a')).toEqual({ 'retention.ms': '7' });
  expect(altered).toMatchObject({ kind: 'altered', revision: controller.image.revision });
  controller.alterConfigs([{ ...a, replaceAll: true, set: [['retention.bytes', '8']] }]);
  expect(configsOf(controller, 'a')).toEqual({ 'retention.bytes': '8' });
  const again = new TestController(controller.store);
  expect(configsOf(again, 'a')).toEqual({ 'retention.bytes': '8' });
  expect(again.partitions('a')).toHaveLength(2);
});

test('followers hear of the topic, and of none of its partitions', () => {
  const controller = withTopics({ a: {} });
  controller.effects.length = 0;
  controller.alterConfigs([{ type: 'topic', name: 'a', set: [['retention.ms', '7']] }]);
  expect(entitiesOf(controller)).toEqual([{ kind: 'topic', name: 'a', newFrom: 2 }]);
});

test('a resource changes as a whole or not at all, whatever becomes of the others', () => {
  const controller = withTopics({ a: {}, b: {}, c: {} });
  const set = (...configs: [string, string][]) => ({ type: 'topic', set: configs }) as const;
  const results = controller.alterConfigs([
    { ...set(['retention.ms', '1'], ['retention.bytes', 'x']), name: 'a' },
    { ...set(['retention.ms', '2']), name: 'b' },
    { ...set(['retention.ms', '3']), name: 'none' },
    { ...set(['retention.ms', '4']), name: 'c' },
    { ...set(['retention.ms', '5']), name: 'c' },
  ]);
  expect(results.map(codeOf)).toEqual([
    'INVALID_CONFIG',
    'altered',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'INVALID_REQUEST',
    'INVALID_REQUEST',
  ]);
  expect(['a', 'b', 'c'].map((name) => configsOf(controller, name))).toEqual([{}, { 'retention.ms': '2' }, {}]);
});

test('only lists are appended to and subtracted from', () => {
  const controller = withTopics({ a: {} });
  const a = { type: 'topic', name: 'a' } as const;
  controller.alterConfigs([{ ...a, append: [['cleanup.policy', 'delete']] }]);
  expect(configsOf(controller, 'a')).toEqual({ 'cleanup.policy': 'delete' });
  const [unknown] = controller.alterConfigs([{ ...a, append: [['cleanup.policy', 'keep']] }]);
  expect(messageOf(unknown)).toContain('is not a list of one or more of compact, delete');
  controller.alterConfigs([{ ...a, append: [['cleanup.policy', 'compact']] }]);
  expect(configsOf(controller, 'a')).toEqual({ 'cleanup.policy': 'delete,compact' });
  controller.alterConfigs([{ ...a, subtract: [['cleanup.policy', 'compact']] }]);
  expect(codeOf(controller.alterConfigs([{ ...a, subtract: [['cleanup.policy', 'delete']] }])[0])).toBe(
    'INVALID_CONFIG',
  );
  const [number] = controller.alterConfigs([{ ...a, append: [['retention.ms', '1']] }]);
  expect(messageOf(number)).toContain('"retention.ms" is not a list');
});

test('what is settled when a topic is created cannot be altered, and may be repeated', () => {
  const controller = withTopics({ a: { flush: 'interval' }, b: {} });
  const a = { type: 'topic', name: 'a' } as const;
  for (const change of [
    { set: [['flush', 'commit']] },
    { delete: [['flush']] },
    { replaceAll: true, set: [['retention.ms', '1']] },
  ] as const) {
    const [result] = controller.alterConfigs([{ ...a, ...change }]);
    expect([codeOf(result), messageOf(result)]).toEqual([
      'INVALID_CONFIG',
      expect.stringContaining('flush is settled'),
    ]);
  }
  const [onB] = controller.alterConfigs([{ type: 'topic', name: 'b', set: [['flush', 'commit']] }]);
  expect(codeOf(onB)).toBe('INVALID_CONFIG');
  const both = [
    ['flush', 'interval'],
    ['retention.ms', '1'],
  ] as const;
  expect(codeOf(controller.alterConfigs([{ ...a, replaceAll: true, set: both }])[0])).toBe('altered');
});

test('a config that is altered twice, in no known way or of no known resource is no request', () => {
  const controller = withTopics({ a: {} });
  const operation = { name: 'retention.ms', kind: 'set', value: '1' } as const;
  const resource = { type: 'topic', name: 'a' } as const;
  const wrong = [
    { resource, replaceAll: false, operations: [operation, operation] },
    { resource, replaceAll: false, operations: [{ ...operation, kind: 'unknown' }] },
    { resource, replaceAll: true, operations: [{ ...operation, kind: 'delete' }] },
    { resource: { type: 'unknown', name: 'a' }, replaceAll: false, operations: [operation] },
    { resource: { type: 'broker', name: 'x' }, replaceAll: false, operations: [] },
    { resource: { type: 'broker', name: '01' }, replaceAll: false, operations: [] },
  ] as const;
  for (const alteration of wrong) {
    const result = controller.run({
      kind: 'alterConfigs',
      alterations: [alteration],
      validateOnly: false,
      requester: TEST_REQUESTER,
    });
    expect(result?.kind === 'alterations' && codeOf(result.results[0])).toBe('INVALID_REQUEST');
  }
  expect(configsOf(controller, 'a')).toEqual({});
});

test('validating and changing nothing write nothing', () => {
  const controller = withTopics({ a: { 'retention.ms': '1' } });
  const { revision } = controller.image;
  const change = { type: 'topic', name: 'a', set: [['retention.ms', '2']] } as const;
  expect(codeOf(controller.alterConfigs([change], { validateOnly: true })[0])).toBe('altered');
  const same = { type: 'topic', name: 'a', set: [['retention.ms', '1']], delete: [['segment.ms']] } as const;
  expect(controller.alterConfigs([same])[0]).toMatchObject({ kind: 'altered', revision: 0 });
  expect(controller.image.revision).toBe(revision);
});

test('what is altered is to be audited with its old and new values and with who asked, once it is written', () => {
  const controller = withTopics({ a: { 'retention.ms': '1', 'segment.ms': '60000', 'max.message.bytes': '9' } });
  const audited = (): unknown[] => controller.effects.filter(({ kind }) => kind === 'configsAltered');
  const a = { type: 'topic', name: 'a' } as const;
  const set = [
    ['retention.ms', '2'],
    ['retention.bytes', '3'],
    ['max.message.bytes', '9'],
  ] as const;
  controller.alterConfigs([{ ...a, set }], { validateOnly: true });
  controller.alterConfigs([{ ...a, set }], { dieAfter: 0 });
  expect(audited()).toEqual([]);
  const after = new TestController(controller.store);
  after.alterConfigs([
    { ...a, set, delete: [['segment.ms']] },
    { type: 'topic', name: 'none', set },
    { type: 'broker', name: '', set: [['log.retention.ms', '5']] },
  ]);
  after.alterConfigs([{ ...a, set }]);
  after.createPartitions([{ name: 'a', totalCount: 5 }]);
  expect(after.effects.filter(({ kind }) => kind === 'configsAltered')).toMatchObject([
    {
      altered: {
        resource: { type: 'topic', name: 'a' },
        configs: {
          'retention.ms': { old: '1', new: '2' },
          'retention.bytes': { old: null, new: '3' },
          'segment.ms': { old: '60000', new: null },
        },
      },
      requester: TEST_REQUESTER,
    },
    {
      altered: { resource: { type: 'broker', name: '' }, configs: { 'log.retention.ms': { old: null, new: '5' } } },
      requester: TEST_REQUESTER,
    },
  ]);
});

test('brokers have configs of their own, beside the cluster-wide default, and lose them again', () => {
  const controller = withTopics({});
  controller.effects.length = 0;
  const results = controller.alterConfigs([
    { type: 'broker', name: '', set: [['log.retention.ms', '5']] },
    { type: 'broker', name: '1', set: [['log.retention.ms', '6']] },
    { type: 'broker', name: '9', set: [['log.retention.ms', '6']] },
  ]);
  expect(results.map(codeOf)).toEqual(['altered', 'altered', 'BROKER_ID_NOT_REGISTERED']);
  expect(entitiesOf(controller)).toEqual([
    { kind: 'brokerConfigs', owner: 'default' },
    { kind: 'brokerConfigs', owner: 1 },
  ]);
  const again = new TestController(controller.store);
  expect([...again.image.brokerConfigs.values()].map(({ owner, configs }) => [owner, configs])).toEqual([
    [1, { 'log.retention.ms': '6' }],
    ['default', { 'log.retention.ms': '5' }],
  ]);
  const [cleared] = again.alterConfigs([{ type: 'broker', name: '1', replaceAll: true }]);
  expect(cleared).toMatchObject({ kind: 'altered', revision: again.image.revision });
  expect(again.store.rangeNow({ prefix: '/configs/' }).items.map(({ key }) => key)).toEqual([
    '/configs/brokers/default',
  ]);
});

test('the coordinator applies what is set of the cluster', () => {
  const controller = withTopics({});
  expect(controller.createTopics([{ name: 'a' }], { autoCreate: true })[0]).toMatchObject({ kind: 'refused' });
  const set = [
    ['auto.create.topics.enable', 'true'],
    ['num.partitions', '4'],
  ] as const;
  controller.alterConfigs([{ type: 'broker', name: '', set }]);
  const again = new TestController(controller.store);
  expect(again.createTopics([{ name: 'a' }], { autoCreate: true })[0]).toMatchObject({ topic: { partitionCount: 4 } });
  const [ofOne] = again.alterConfigs([{ type: 'broker', name: '1', set: [['num.partitions', '4']] }]);
  expect(messageOf(ofOne)).toContain('the same for all brokers');
});

test('what a newer version has set stays, and can be unset', () => {
  const controller = withTopics({ a: {} });
  const { id } = controller.image.topics.get('a')!;
  const value = JSON.stringify({ v: 1, id, partitionCount: 2, configs: { 'future.ms': '1' } });
  controller.store.txnNow({ compare: [], success: [{ kind: 'put', key: '/topics/a', value }] });
  const again = new TestController(controller.store);
  const a = { type: 'topic', name: 'a' } as const;
  expect(codeOf(again.alterConfigs([{ ...a, set: [['retention.ms', '1']] }])[0])).toBe('altered');
  expect(configsOf(again, 'a')).toEqual({ 'future.ms': '1', 'retention.ms': '1' });
  expect(codeOf(again.alterConfigs([{ ...a, set: [['future.ms', '2']] }])[0])).toBe('INVALID_CONFIG');
  expect(codeOf(again.alterConfigs([{ ...a, delete: [['future.ms']] }])[0])).toBe('altered');
  expect(codeOf(again.alterConfigs([{ ...a, delete: [['future.ms']] }])[0])).toBe('INVALID_CONFIG');
});

test('no producer id is given out twice, wherever the coordinator dies', () => {
  let controller = withTopics({});
  expect(controller.allocateProducerIds(1)).toBe(0);
  expect(controller.allocateProducerIds(1)).toBe(PRODUCER_IDS_PER_BLOCK);
  controller = new TestController(controller.store);
  expect(controller.allocateProducerIds(1)).toBe(2 * PRODUCER_IDS_PER_BLOCK);
  // Written, and never answered.
  controller.allocateProducerIds(1, { dieAfter: 1 });
  controller = new TestController(controller.store);
  expect(controller.allocateProducerIds(1)).toBe(4 * PRODUCER_IDS_PER_BLOCK);
});

test('a broker that was fenced or registered again gets no producer ids in its former epoch', () => {
  const controller = withTopics({});
  const { image } = controller;
  const { revision: brokerEpoch, brokerId } = [...image.sessions.values()][0]!;
  controller.register(1);
  const refused = { kind: 'refused', refusal: { code: 'STALE_BROKER_EPOCH' } };
  const command = { kind: 'allocateProducerIds', brokerId, brokerEpoch } as const;
  expect(controller.run(command)).toMatchObject(refused);
  controller.endSession(1);
  expect(controller.run(command)).toMatchObject(refused);
  expect(image.nextProducerId).toBe(0);
});
