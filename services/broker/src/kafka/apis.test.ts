import { expect, test } from 'vitest';
import { ALL_APIS } from '@weir/kafka/apis.ts';
import { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import type { Handler } from './exchange.ts';
import { answerApiVersions } from './api-versions.ts';
import { on } from './exchange.ts';
import { TestDoor } from './test-door.ts';

const ABOUT_ME = { clientSoftwareName: 'test', clientSoftwareVersion: '1' };

test('exactly what is served is listed, in the versions that are, by key', async () => {
  const handlers = new Map<number, Handler>();
  const all = [on(metadata, () => {}), on(apiVersions, (exchange) => answerApiVersions(handlers, exchange))];
  for (const handler of all) handlers.set(handler.api.key, handler);
  const door = await TestDoor.open({ handlers });
  const client = door.connect();
  for (let version = 0; version <= 4; version++) {
    expect(await client.ask(apiVersions, version, version < 3 ? {} : ABOUT_ME)).toMatchObject({
      errorCode: 0,
      apiKeys: [
        { apiKey: 3, minVersion: 0, maxVersion: 13 },
        { apiKey: 18, minVersion: 0, maxVersion: 4 },
      ],
      finalizedFeaturesEpoch: version < 3 ? -1 : 0,
      finalizedFeatures: [],
    });
  }
});

test('Produce is listed from version 0 on, as librdkafka looks for it, and served from its own first one', async () => {
  const door = await TestDoor.open();
  const { apiKeys } = await door.connect().ask(apiVersions, 4, ABOUT_ME);
  expect(apiKeys[0]).toEqual({ apiKey: 0, minVersion: 0, maxVersion: 13 });
  expect(produce.versions).toEqual([3, 13]);
});

test('whatever is listed, its last version and its first are answered or understood', async () => {
  const door = await TestDoor.open();
  const { apiKeys } = await door.connect().ask(apiVersions, 4, ABOUT_ME);
  expect(apiKeys.length).toBeGreaterThanOrEqual(15);
  const keys = apiKeys.map(({ apiKey }) => apiKey);
  expect(keys).toEqual([...new Set(keys)].toSorted((a, b) => a - b));
  for (const { apiKey, minVersion, maxVersion } of apiKeys) {
    const api = ALL_APIS.find(({ key }) => key === apiKey)!;
    for (const version of [Math.max(minVersion, api.versions[0]), maxVersion]) {
      const client = door.connect();
      // A header and nothing else: it is understood that this is no request of that API, or it is one.
      const header = Buffer.from([
        0,
        apiKey,
        0,
        version,
        0,
        0,
        0,
        1,
        0xff,
        0xff,
        ...(api.isFlexible(version) ? [0] : []),
      ]);
      client.sendFrame(header, { correlationId: 1, api, version });
      await door.settle();
      const isAnswered = client.take().length === 1;
      const isRefused = client.socket.isOver && door.logged.at(-1)!.includes(`${api.name} v${version}: `);
      expect([api.name, version, isAnswered || isRefused]).toEqual([api.name, version, true]);
    }
  }
  expect(door.server.ended.failed).toBe(0);
});

test('an API that is not served is not listed', async () => {
  const door = await TestDoor.open();
  const { apiKeys } = await door.connect().ask(apiVersions, 0, {});
  for (const key of [4, 5, 6, 7, 17, 71, 72]) expect(apiKeys.some(({ apiKey }) => apiKey === key)).toBe(false);
});

test('while there are no groups, whoever looks for a coordinator is told to try again', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  for (let version = 0; version <= 6; version++) {
    const response = await client.ask(findCoordinator, version, { key: 'g', coordinatorKeys: ['g', 'h'] });
    const answers = version < 4 ? [response] : response.coordinators;
    expect(answers).toHaveLength(version < 4 ? 1 : 2);
    for (const answer of answers) expect(answer).toMatchObject({ errorCode: 15, nodeId: -1, host: '', port: -1 });
    expect(response.coordinators.map(({ key }) => key)).toEqual(version < 4 ? [] : ['g', 'h']);
  }
});
