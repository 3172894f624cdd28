import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { KafkaConnection } from '../harness/kafka-connection.ts';
import { DevCluster } from './dev-cluster.ts';
import type { ServiceEntry } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 40_000, interval: 100 };
const MEMBER_ID_REQUIRED = 79;
const cluster = new DevCluster('--separate', '--brokers', '3');
beforeAll(async () => {
  await cluster.start();
  const coordinators = cluster.service('coordinator').grpc!;
  await runWeir(['topic', 'create', 'orders', '--partitions', '3', '--coordinators', coordinators]);
}, TEST_MS_MAX);
afterAll(() => cluster.remove());

interface Member {
  readonly group: string;
  readonly memberId: string;
  readonly generation: number;
}

function broker(id: number): ServiceEntry {
  return cluster.services.find((service) => service.kind === 'broker' && service.id === String(id))!;
}

/** Which broker coordinates the group, of those that can be asked, and how it is reached. */
async function coordinator(
  group: string,
  others: readonly number[],
): Promise<{ readonly id: number; readonly kafka: KafkaConnection }> {
  return vi.waitFor(async () => {
    for (const id of others) {
      const any = await KafkaConnection.open(broker(id).kafka!);
      try {
        const request = { keyType: 0, coordinatorKeys: [group] };
        const { nodeId, host, port, errorCode } = (await any.ask(findCoordinator, 6, request)).coordinators[0]!;
        if (errorCode === 0 && others.includes(nodeId))
          return { id: nodeId, kafka: await KafkaConnection.open(`${host}:${port}`) };
      } finally {
        any.close();
      }
    }
    throw new Error('nobody coordinates the group');
  }, PATIENT);
}

/** Joins as the only member, and takes what it gives itself. */
async function join(kafka: KafkaConnection, group: string): Promise<Member> {
  const metadata = consumerProtocolSubscription.encode({ topics: ['orders'], userData: null });
  const ask = (memberId: string) =>
    kafka.ask(joinGroup, 9, {
      groupId: group,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata }],
      reason: null,
    });
  const first = await ask('');
  expect(first.errorCode).toBe(MEMBER_ID_REQUIRED);
  const { errorCode, memberId, generationId: generation } = await ask(first.memberId);
  expect(errorCode).toBe(0);
  const synced = await kafka.ask(syncGroup, 5, {
    groupId: group,
    generationId: generation,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId, assignment: Buffer.from('all of it') }],
  });
  expect([synced.errorCode, synced.assignment.toString()]).toEqual([0, 'all of it']);
  return { group, memberId, generation };
}

async function beat(kafka: KafkaConnection, { group, memberId, generation }: Member): Promise<number> {
  const request = { groupId: group, generationId: generation, memberId, groupInstanceId: null };
  return (await kafka.ask(heartbeat, 4, request)).errorCode;
}

async function commit(
  kafka: KafkaConnection,
  { group, memberId, generation }: Member,
  offset: number,
): Promise<number> {
  const { topics } = await kafka.ask(offsetCommit, 9, {
    groupId: group,
    generationIdOrMemberEpoch: generation,
    memberId,
    groupInstanceId: null,
    topics: [
      {
        name: 'orders',
        partitions: [{ partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null }],
      },
    ],
  });
  return topics[0]!.partitions[0]!.errorCode;
}

async function committed(kafka: KafkaConnection, { group }: Member): Promise<number> {
  const groups = [{ groupId: group, topics: [{ name: 'orders', partitionIndexes: [0] }] }];
  const [answered] = (await kafka.ask(offsetFetch, 9, { groups, requireStable: true })).groups;
  return answered!.errorCode === 0 ? answered!.topics[0]!.partitions[0]!.committedOffset : -answered!.errorCode;
}

const BROKERS = [1, 2, 3];

test(
  'a coordinator that stood still while another one took its place commits nothing any more',
  { timeout: TEST_MS_MAX },
  async () => {
    const first = await coordinator('paused', BROKERS);
    const member = await join(first.kafka, 'paused');
    expect(await commit(first.kafka, member, 100)).toBe(0);
    process.kill(broker(first.id).pid, 'SIGSTOP');
    try {
      const next = await coordinator(
        member.group,
        BROKERS.filter((id) => id !== first.id),
      );
      await vi.waitFor(async () => expect(await commit(next.kafka, member, 200)).toBe(0), PATIENT);
      // It waits in the socket of the one that stands still.
      const late = commit(first.kafka, member, 150);
      process.kill(broker(first.id).pid, 'SIGCONT');
      expect(await late).not.toBe(0);
      expect(await committed(next.kafka, member)).toBe(200);
      for (const kafka of [first.kafka, next.kafka]) kafka.close();
    } finally {
      process.kill(broker(first.id).pid, 'SIGCONT');
    }
  },
);

test(
  'a group outlives the broker that coordinates it: its member goes on with the id and the generation that it has',
  { timeout: TEST_MS_MAX },
  async () => {
    // Leaders may be on their way back to a broker that was away.
    const [first, member] = await vi.waitFor(async () => {
      const found = await coordinator('killed', BROKERS);
      return [found, await join(found.kafka, 'killed')] as const;
    }, PATIENT);
    for (let offset = 1; offset <= 50; offset++) expect(await commit(first.kafka, member, offset)).toBe(0);
    process.kill(broker(first.id).pid, 'SIGKILL');
    const next = await coordinator(
      member.group,
      BROKERS.filter((id) => id !== first.id),
    );
    expect(next.id).not.toBe(first.id);
    // It may be reading yet.
    await vi.waitFor(async () => expect(await committed(next.kafka, member)).toBe(50), PATIENT);
    expect(await beat(next.kafka, member)).toBe(0);
    expect(await commit(next.kafka, member, 51)).toBe(0);
    expect(await committed(next.kafka, member)).toBe(51);
    next.kafka.close();
  },
);
