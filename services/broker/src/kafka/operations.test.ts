import { expect, test } from 'vitest';
import { describeCluster } from '@weir/kafka/apis/describe-cluster.ts';
import { describeTopicPartitions } from '@weir/kafka/apis/describe-topic-partitions.ts';
import { metadata } from '@weir/kafka/apis/metadata.ts';
import { NO_SUCH_ID_BYTES, TestDoor } from './test-door.ts';

/** As an Apache Kafka without an authorizer says them. */
const OF_A_TOPIC = 3_576;
const OF_THE_CLUSTER = 8_096;
const NOT_ASKED = -2_147_483_648;

test('Metadata says what may be done to topics, there or not, and to the cluster, to who asks for it', async () => {
  const door = await TestDoor.open();
  const client = door.connect();
  const ask = (version: number, isAsked: boolean, topics: { name: string | null; topicId?: Uint8Array }[] | null) =>
    client.ask(metadata, version, {
      topics,
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: isAsked,
      includeClusterAuthorizedOperations: isAsked,
    });
  const names = [{ name: 'orders' }, { name: 'none' }, { name: 'no name' }];
  for (let version = 8; version <= 13; version++) {
    for (const isAsked of [true, false]) {
      const answer = await ask(version, isAsked, names);
      const expected = isAsked ? OF_A_TOPIC : NOT_ASKED;
      expect(answer.topics.map((topic) => topic.topicAuthorizedOperations)).toEqual([expected, expected, expected]);
      // Versions from 11 on leave it to DescribeCluster.
      expect(answer.clusterAuthorizedOperations).toBe(isAsked && version <= 10 ? OF_THE_CLUSTER : NOT_ASKED);
      const [orders] = (await ask(version, isAsked, null)).topics;
      expect(orders!.topicAuthorizedOperations).toBe(expected);
    }
  }
  const unknown = await ask(12, true, [{ name: null, topicId: NO_SUCH_ID_BYTES }]);
  expect(unknown.topics).toMatchObject([{ errorCode: 100, topicAuthorizedOperations: NOT_ASKED }]);
});

test('DescribeCluster says what may be done to the cluster to who asks for it, and nothing to who asks for controllers', async () => {
  const client = (await TestDoor.open()).connect();
  const ask = async (endpointType: number, includeClusterAuthorizedOperations: boolean): Promise<number> =>
    (await client.ask(describeCluster, 2, { endpointType, includeClusterAuthorizedOperations }))
      .clusterAuthorizedOperations;
  expect([await ask(1, true), await ask(1, false), await ask(2, true)]).toEqual([OF_THE_CLUSTER, NOT_ASKED, NOT_ASKED]);
});

test('DescribeTopicPartitions always says what may be done to a topic', async () => {
  const client = (await TestDoor.open()).connect();
  const topics = [{ name: 'orders' }, { name: 'none' }];
  const answer = await client.ask(describeTopicPartitions, 0, { topics, cursor: null });
  expect(answer.topics.map((topic) => topic.topicAuthorizedOperations)).toEqual([OF_A_TOPIC, OF_A_TOPIC]);
});
