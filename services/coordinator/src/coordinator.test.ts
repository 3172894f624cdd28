import { describe, expect, test, vi } from 'vitest';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  ConfigOperationKind,
  ConfigResourceType,
  TopicIdState,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { temporaryDirectory } from '@weir/runtime/test-world.ts';
import { broker, observer, startCoordinator, TestClient, uuid } from './test-coordinator.ts';

describe('a coordinator', () => {
  test('restarting loses nothing: cluster, topics, sessions and leaders stay', async () => {
    const first = await startCoordinator();
    const member = new TestClient(first.service).hello(broker());
    const before = await member.welcome();
    await member.createTopics([{ name: 'a', partitionCount: 300 }]);
    await first.stop();
    await expect.poll(() => member.closed?.failure).toMatchObject({ code: 'SHUTTING_DOWN' });
    const second = await startCoordinator(first.directory);
    const again = new TestClient(second.service).hello(broker(), before);
    expect(await again.welcome()).toMatchObject({
      clusterId: before.clusterId,
      sessionId: before.sessionId,
      brokerEpoch: before.brokerEpoch,
    });
    expect(again.partitions.size).toBe(300);
    expect([...again.partitions.values()].every(({ leader, leaderEpoch }) => leader === 1 && leaderEpoch === 0)).toBe(
      true,
    );
  });

  test('a second one on the same store is refused, and so is a listener off loopback', async () => {
    const { directory } = await startCoordinator();
    await expect(startCoordinator(directory)).rejects.toThrow('is in use by another process');
    await expect(startCoordinator(undefined, { 'grpc-listen': '0.0.0.0:0' })).rejects.toThrow('--insecure');
  });

  test('a taken port is named, and the store is free again', async () => {
    const { service } = await startCoordinator();
    const directory = temporaryDirectory();
    const taken = service.addresses['grpc']!;
    await expect(startCoordinator(directory, { 'grpc-listen': taken })).rejects.toThrow(taken);
    await startCoordinator(directory);
  });

  test('too many topics in one request are refused as a whole', async () => {
    const { service } = await startCoordinator();
    const client = new TestClient(service);
    const topics = Array.from({ length: TOPICS_PER_REQUEST_MAX + 1 }, () => ({ name: 'a' }));
    await expect(client.createTopics(topics)).rejects.toMatchObject({ failure: { code: 'INVALID_REQUEST' } });
  });

  test('a deleted topic is told to followers, and that it was deleted to whoever asks, after a restart as well', async () => {
    const { service, directory, stop } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [kept, gone] = await member.createTopics([{ name: 'kept' }, { name: 'gone', partitionCount: 200 }]);
    const ids = [kept!.topic!.id, gone!.topic!.id, uuid(9)] as const;
    const { EXISTS, DELETED, UNKNOWN } = TopicIdState;
    expect(await member.describeTopicIds(...ids)).toEqual([EXISTS, EXISTS, UNKNOWN]);
    const [result, refused] = await member.deleteTopics([{ name: 'gone' }, { name: 'nope' }]);
    expect(result).toMatchObject({ name: 'gone', code: 'NONE', topicId: ids[1] });
    expect(refused).toMatchObject({ name: 'nope', code: 'UNKNOWN_TOPIC_OR_PARTITION', revision: 0n });
    await expect.poll(() => [...member.topics]).toEqual(['kept']);
    expect(await member.describeTopicIds(...ids)).toEqual([EXISTS, DELETED, UNKNOWN]);
    await expect(member.describeTopicIds(new Uint8Array(3))).rejects.toMatchObject({
      failure: { code: 'INVALID_REQUEST' },
    });
    await stop();
    const again = new TestClient((await startCoordinator(directory)).service);
    expect(await again.describeTopicIds(...ids)).toEqual([EXISTS, DELETED, UNKNOWN]);
  });

  test('ten thousand partitions are created within a call, and deleted within another', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const [result] = await member.createTopics([{ name: 'big', partitionCount: 10_000 }]);
    expect(result).toMatchObject({ code: 'NONE' });
    await expect.poll(() => member.topics.has('big')).toBe(true);
    expect(member.partitions.size).toBe(10_000);
    expect(await member.deleteTopics([{ name: 'big' }])).toMatchObject([{ code: 'NONE' }]);
  });
});

describe('administration', () => {
  test('a topic gets more partitions, and followers hear of them', async () => {
    const { service } = await startCoordinator();
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    await member.createTopics([{ name: 'a', assignments: [{ partition: 0, brokerIds: [1] }] }]);
    const results = await member.createPartitions([
      { name: 'a', totalCount: 3, assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] },
      { name: 'b', totalCount: 3 },
    ]);
    expect(results).toMatchObject([
      { name: 'a', code: 'NONE', partitionCount: 3 },
      { name: 'b', code: 'UNKNOWN_TOPIC_OR_PARTITION', revision: 0n },
    ]);
    await expect.poll(() => [...member.partitions.values()].map(({ leader }) => leader)).toEqual([1, 1, 1]);
    const [valid] = await member.createPartitions([{ name: 'a', totalCount: 4 }], true);
    expect(valid).toMatchObject({ code: 'NONE', partitionCount: 4, revision: 0n });
    const [unplaced] = await member.createPartitions([
      { name: 'a', totalCount: 4, assignments: [{ brokerIds: [-7] }] },
    ]);
    expect(unplaced).toMatchObject({ code: 'INVALID_REPLICA_ASSIGNMENT' });
  });

  test('what is set of the cluster is told in deltas and snapshots, beside what the coordinator was started with', async () => {
    const directory = temporaryDirectory();
    const { service, stop } = await startCoordinator(directory, { 'default-partitions': 2 });
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    const staticConfigs = { 'auto.create.topics.enable': 'false', 'num.partitions': '2' };
    expect(member.brokerConfigs.get('')).toMatchObject({ configs: {}, staticConfigs });
    const operations = [{ name: 'log.retention.ms', kind: ConfigOperationKind.SET, value: '5' }];
    const results = await member.alterConfigs([
      { type: ConfigResourceType.BROKER, name: '', operations },
      { type: ConfigResourceType.TOPIC, name: 'none', operations },
      { type: ConfigResourceType.UNSPECIFIED, name: '1', operations },
    ]);
    expect(results.map(({ type, name, code }) => [type, name, code])).toEqual([
      [ConfigResourceType.BROKER, '', 'NONE'],
      [ConfigResourceType.TOPIC, 'none', 'UNKNOWN_TOPIC_OR_PARTITION'],
      [ConfigResourceType.UNSPECIFIED, '1', 'INVALID_REQUEST'],
    ]);
    const configs = { 'log.retention.ms': '5' };
    await expect.poll(() => member.brokerConfigs.get('')).toMatchObject({ configs, staticConfigs });
    await stop();
    const later = new TestClient((await startCoordinator(directory)).service).hello(observer);
    await later.welcome();
    expect(later.brokerConfigs.get('')).toMatchObject({ configs, staticConfigs: { 'num.partitions': '1' } });
  });

  test('who altered which configs from what to what is a line of the audit log', async () => {
    const { service, world } = await startCoordinator();
    const info = vi.spyOn(world.logger, 'info');
    const member = new TestClient(service).hello(broker());
    await member.welcome();
    await member.createTopics([{ name: 'a', configs: { 'retention.ms': '1', 'segment.ms': '60000' } }]);
    const alter = (value: string, client: string) => {
      const operations = [
        { name: 'retention.ms', kind: ConfigOperationKind.SET, value },
        { name: 'segment.ms', kind: ConfigOperationKind.DELETE },
      ];
      return member.alterConfigs([{ type: ConfigResourceType.TOPIC, name: 'a', operations }], client);
    };
    const [altered] = await alter('2', 'somebody '.repeat(1_000));
    await alter('2', 'nothing changes');
    const lines = info.mock.calls.filter(([facts]) => (facts as { audit?: boolean }).audit === true);
    expect(lines).toEqual([
      [
        {
          audit: true,
          resource: { type: 'topic', name: 'a' },
          configs: { 'retention.ms': { old: '1', new: '2' }, 'segment.ms': { old: '60000', new: null } },
          revision: Number(altered!.revision),
          peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          client: 'somebody '.repeat(1_000).slice(0, 500),
        },
        'configs of topic "a" were altered: retention.ms from 1 to 2, segment.ms from 60000 to unset',
      ],
    ]);
  });

  test('a broker gets producer ids for its epoch, and others after a restart', async () => {
    const directory = temporaryDirectory();
    const first = await startCoordinator(directory);
    const member = new TestClient(first.service).hello(broker());
    const { brokerEpoch } = await member.welcome();
    expect(await member.allocateProducerIds(1, brokerEpoch)).toMatchObject({ firstId: 0n, count: 1_000 });
    await expect(member.allocateProducerIds(1, brokerEpoch - 1n)).rejects.toMatchObject({
      failure: { code: 'STALE_BROKER_EPOCH' },
    });
    await first.stop();
    const second = await startCoordinator(directory);
    const again = new TestClient(second.service).hello(broker());
    const welcome = await again.welcome();
    expect(await again.allocateProducerIds(1, welcome.brokerEpoch)).toMatchObject({ firstId: 1_000n, count: 1_000 });
  });
});
