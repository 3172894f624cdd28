import { expect, test } from 'vitest';
import { alterConfigs } from '@weir/kafka/apis/alter-configs.ts';
import { describeConfigs } from '@weir/kafka/apis/describe-configs.ts';
import { incrementalAlterConfigs } from '@weir/kafka/apis/incremental-alter-configs.ts';
import { listConfigResources } from '@weir/kafka/apis/list-config-resources.ts';
import { configsChange } from '../test-broker.ts';
import type { TestClient } from './test-client.ts';
import { TestDoor } from './test-door.ts';

const TOPIC = 2;
const BROKER = 4;

async function describe(client: TestClient, resourceType: number, resourceName: string, keys: string[] | null = null) {
  const { results } = await client.ask(describeConfigs, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  return results[0]!;
}

test('a topic has its own value before its broker’s, and that before the cluster’s', async () => {
  const door = await TestDoor.open({
    topic: { partitions: [{ leader: 1, epoch: 0 }], configs: { 'retention.ms': '1000' } },
  });
  const client = door.connect();
  door.apply(configsChange('1', { 'log.retention.ms': '2000', 'log.roll.ms': '3000' }));
  door.apply(configsChange('', { 'log.retention.ms': '4000', 'log.roll.ms': '5000', 'log.segment.bytes': '6000000' }));
  const { errorCode, configs } = await describe(client, TOPIC, 'orders');
  expect(errorCode).toBe(0);
  const found = (name: string) => configs.find((config) => config.name === name)!;
  expect(found('retention.ms')).toMatchObject({ value: '1000', configSource: 1, configType: 5, readOnly: false });
  expect(found('retention.ms').synonyms.map(({ name, value, source }) => [name, value, source])).toEqual([
    ['retention.ms', '1000', 1],
    ['log.retention.ms', '2000', 2],
    ['log.retention.ms', '4000', 3],
    ['log.retention.ms', '604800000', 5],
  ]);
  expect(found('segment.ms')).toMatchObject({ value: '3000', configSource: 2 });
  expect(found('segment.bytes')).toMatchObject({ value: '6000000', configSource: 3 });
  expect(found('flush')).toMatchObject({ value: 'commit', configSource: 4, readOnly: true });
  expect(found('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5, configType: 7 });
  for (const { documentation } of configs) expect(documentation).toMatch(/\.$/);
});

test('only the configs that are asked for are told, without synonyms and words where nobody wants them', async () => {
  const client = (await TestDoor.open()).connect();
  const { results } = await client.ask(describeConfigs, 1, {
    resources: [{ resourceType: TOPIC, resourceName: 'orders', configurationKeys: ['retention.bytes', 'no.such'] }],
    includeSynonyms: false,
  });
  expect(results[0]!.configs).toMatchObject([{ name: 'retention.bytes', value: '-1', synonyms: [] }]);
});

test('a broker tells its own configs and the cluster’s, and sends others to whom they are of', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.apply(configsChange('1', { 'log.retention.ms': '2000' }), configsChange('', { 'num.partitions': '7' }));
  const mine = await describe(client, BROKER, '1', ['log.retention.ms', 'num.partitions']);
  expect(mine.configs).toMatchObject([
    { name: 'log.retention.ms', value: '2000', configSource: 2 },
    { name: 'num.partitions', value: '7', configSource: 3 },
  ]);
  expect((await describe(client, BROKER, '')).configs).toMatchObject([{ name: 'num.partitions', configSource: 3 }]);
  expect(await describe(client, BROKER, '2')).toMatchObject({ errorCode: 42, configs: [] });
  expect(await describe(client, TOPIC, 'never-there')).toMatchObject({ errorCode: 3 });
  expect(await describe(client, TOPIC, 'no/name')).toMatchObject({ errorCode: 17 });
  expect(await describe(client, 32, 'a-group')).toMatchObject({ errorCode: 42 });
});

test('alterations are passed on resource by resource, and each has its own outcome', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = (_method, { resources }) => ({
    results: resources.map(({ name }: { name: string }) =>
      name === 'bad'
        ? { code: 'INVALID_CONFIG', message: 'retention.ms "x" is not a whole number', revision: 0n }
        : { code: 'NONE', message: '', revision: 0n },
    ),
  });
  const set = (resourceName: string, resourceType = TOPIC) => ({
    resourceType,
    resourceName,
    configs: [{ name: 'retention.ms', configOperation: 0, value: '1' }],
  });
  const { responses } = await client.ask(incrementalAlterConfigs, 1, {
    resources: [set('orders'), set('bad'), set('a-logger', 8), set('twice'), set('twice')],
    validateOnly: true,
  });
  expect(responses.map(({ resourceName, errorCode }) => [resourceName, errorCode])).toEqual([
    ['orders', 0],
    ['bad', 40],
    ['a-logger', 42],
    ['twice', 42],
    ['twice', 42],
  ]);
  expect(responses[1]!.errorMessage).toContain('retention.ms "x"');
  expect(door.coordinator.calls).toMatchObject([
    {
      method: 'AlterConfigs',
      request: {
        validateOnly: true,
        resources: [
          { type: 2, name: 'orders', replaceAll: false, operations: [{ name: 'retention.ms', kind: 1, value: '1' }] },
          { name: 'bad' },
        ],
      },
    },
  ]);
});

test('each operation is told apart, and what makes no sense is refused without asking', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  door.coordinator.answer = () => ({ results: [{ code: 'NONE', message: '', revision: 0n }] });
  const alter = async (...configs: { name: string; configOperation: number; value: string | null }[]) => {
    const resources = [{ resourceType: BROKER, resourceName: '', configs }];
    return (await client.ask(incrementalAlterConfigs, 0, { resources, validateOnly: false })).responses[0]!.errorCode;
  };
  const all = [0, 1, 2, 3].map((configOperation) => ({
    name: `c${configOperation}`,
    configOperation,
    value: configOperation === 1 ? null : 'v',
  }));
  expect(await alter(...all)).toBe(0);
  expect(door.coordinator.calls[0]!.request.resources[0]).toMatchObject({
    type: 4,
    name: '',
    operations: [{ kind: 1 }, { kind: 2, value: '' }, { kind: 3 }, { kind: 4 }],
  });
  expect(await alter({ name: 'a', configOperation: 4, value: 'v' })).toBe(42);
  expect(await alter({ name: 'a', configOperation: 0, value: null })).toBe(42);
  expect(await alter(all[0]!, all[0]!)).toBe(42);
  expect(door.coordinator.calls).toHaveLength(1);
});

test('the older call replaces everything, and without a coordinator nothing is altered', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const request = {
    resources: [{ resourceType: TOPIC, resourceName: 'orders', configs: [{ name: 'retention.ms', value: '5' }] }],
    validateOnly: false,
  };
  expect((await client.ask(alterConfigs, 2, request)).responses[0]).toMatchObject({ errorCode: 7 });
  door.coordinator.answer = () => ({ results: [{ code: 'NONE', message: '', revision: BigInt(door.revision) }] });
  expect((await client.ask(alterConfigs, 0, request)).responses[0]).toMatchObject({ errorCode: 0, errorMessage: null });
  expect(door.coordinator.calls.at(-1)!.request.resources[0]).toMatchObject({ replaceAll: true });
});

test('the coordinator is told who alters configs, for its audit log', async () => {
  const door = await TestDoor.open();
  const client = door.connect({ host: '10.1.2.3' });
  const request = { resources: [{ resourceType: TOPIC, resourceName: 'orders', configs: [] }], validateOnly: false };
  await client.ask(alterConfigs, 2, request);
  await client.ask(incrementalAlterConfigs, 1, request);
  const who = `${client.socket.peer}, Kafka client "test"`;
  expect(door.coordinator.calls.map((call) => call.request.client)).toEqual([who, who]);
});

test('what has configs is listed by its type', async () => {
  const client = (await TestDoor.open()).connect();
  const list = async (...resourceTypes: number[]) => {
    const { errorCode, configResources } = await client.ask(listConfigResources, 1, { resourceTypes });
    return [errorCode, configResources.map(({ resourceName, resourceType }) => `${resourceType}:${resourceName}`)];
  };
  expect(await list()).toEqual([0, ['2:orders', '4:1', '4:2']]);
  expect(await list(BROKER)).toEqual([0, ['4:1', '4:2']]);
  expect(await list(16)).toEqual([0, []]);
  expect(await list(77)).toEqual([35, []]);
  // Before version 1 it was about metrics that clients push.
  expect((await client.ask(listConfigResources, 0, {})).configResources).toEqual([]);
});
