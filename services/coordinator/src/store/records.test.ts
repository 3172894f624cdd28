import { expect, test } from 'vitest';
import { brokerId, revision } from '@weir/base/ids.ts';
import { ClusterImage } from '../controller/image.ts';
import type { Change } from '../controller/image.ts';
import { changeOf, keyOf, valueOf } from './records.ts';

/** A change as it is read from the store that it was written to. */
function throughStore(change: Change): Change {
  return stored(keyOf(change), valueOf(change)!);
}

function stored(key: string, value: string): Change {
  return changeOf({ key, value, createRevision: revision(1), modRevision: revision(1), version: 1 });
}

const BROKER = {
  id: brokerId(3),
  directoryId: '11111111-1111-4111-8111-111111111111',
  incarnationId: '22222222-2222-4222-8222-222222222222',
  grpcAddress: 'broker-3:7071',
  kafkaAddress: 'broker-3:9092',
  replicationAddress: 'broker-3:7072',
  rack: 'r1',
};

test('a broker is read as it was written', () => {
  expect(throughStore({ kind: 'broker', broker: BROKER })).toEqual({ kind: 'broker', broker: BROKER });
});

test('a broker that was written before brokers listened for Kafka clients, or for followers, has no address for them', () => {
  for (const address of ['kafkaAddress', 'replicationAddress'] as const) {
    const { id: _, [address]: __, ...before } = BROKER;
    expect(stored('/brokers/3', JSON.stringify({ v: 1, ...before }))).toEqual({
      kind: 'broker',
      broker: { ...BROKER, [address]: '' },
    });
  }
});

test('a broker that drains is read as it was written, and one that was registered before there were drains has none', () => {
  for (const isOn of [true, false]) {
    const change: Change = { kind: 'broker', broker: { ...BROKER, drain: { epoch: revision(7), isOn } } };
    expect(throughStore(change)).toEqual(change);
  }
  const { id: _, ...before } = BROKER;
  expect(stored('/brokers/3', JSON.stringify({ v: 1, ...before }))).toEqual({ kind: 'broker', broker: BROKER });
});

test('a drain that names another registration than the one that lives is over', () => {
  const image = new ClusterImage('cluster');
  image.load({ kind: 'broker', broker: { ...BROKER, drain: { epoch: revision(7), isOn: true } } }, revision(9));
  image.load({ kind: 'sessionBegan', session: { id: 'a', brokerId: BROKER.id } }, revision(7));
  expect(image.stateOf(BROKER.id)).toBe('draining');
  image.load({ kind: 'sessionEnded', sessionId: 'a' }, revision(10));
  image.load({ kind: 'sessionBegan', session: { id: 'b', brokerId: BROKER.id } }, revision(11));
  expect(image.stateOf(BROKER.id)).toBe('registered');
});

test("brokers' configs, the cluster-wide default and the producer ids are read as they were written", () => {
  const configs = { 'log.retention.ms': '5' };
  const changes: readonly [Change, string][] = [
    [{ kind: 'brokerConfigs', brokerConfigs: { owner: brokerId(3), configs } }, '/configs/brokers/3'],
    [{ kind: 'brokerConfigs', brokerConfigs: { owner: 'default', configs } }, '/configs/brokers/default'],
    [{ kind: 'producerIds', next: 5_000 }, '/producer-ids'],
  ];
  for (const [change, key] of changes) {
    expect(keyOf(change)).toBe(key);
    expect(throughStore(change)).toEqual(change);
  }
  expect(valueOf({ kind: 'brokerConfigs', brokerConfigs: { owner: 'default', configs: {} } })).toBeUndefined();
});

test('a value of a newer version is refused by name', () => {
  expect(() => stored('/brokers/3', '{"v":2}')).toThrow('/brokers/3 has version 2, and this Weir knows 1');
});
