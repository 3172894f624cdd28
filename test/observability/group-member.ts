import { setTimeout as pause } from 'node:timers/promises';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { KafkaConnection } from '../harness/kafka-connection.ts';

const TRIES = 100;
const RETRY_MS = 100;
/** Longer than any test that has one. */
const TIMEOUT_MS = 10 * 60_000;

/** The only member of a group that commits whatever it is told. It never beats: its session is long. */
export class GroupMember {
  readonly #kafka: KafkaConnection;
  readonly #group: string;
  readonly #memberId: string;
  readonly #generation: number;

  private constructor(kafka: KafkaConnection, group: string, joined: { memberId: string; generation: number }) {
    this.#kafka = kafka;
    this.#group = group;
    this.#memberId = joined.memberId;
    this.#generation = joined.generation;
  }

  /** Joins a group that nobody else is in. @throws Error when nobody coordinates it, or it is refused */
  static async join(bootstrap: string, group: string, topic: string): Promise<GroupMember> {
    const kafka = await KafkaConnection.open(await coordinatorOf(bootstrap, group));
    const metadata = consumerProtocolSubscription.encode({ topics: [topic], userData: null });
    const ask = (memberId: string) =>
      kafka.ask(joinGroup, 9, {
        groupId: group,
        sessionTimeoutMs: TIMEOUT_MS,
        rebalanceTimeoutMs: TIMEOUT_MS,
        memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata }],
        reason: null,
      });
    const { memberId } = await ask('');
    const { errorCode, generationId } = await ask(memberId);
    if (errorCode !== 0) throw new Error(`joining ${group} is refused with error ${errorCode}`);
    await kafka.ask(syncGroup, 5, {
      groupId: group,
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [{ memberId, assignment: Buffer.from('all of it') }],
    });
    return new GroupMember(kafka, group, { memberId, generation: generationId });
  }

  /** Commits an offset for each partition of a topic. */
  async commit(topic: string, offsets: ReadonlyMap<number, bigint>): Promise<void> {
    await this.#kafka.ask(offsetCommit, 9, {
      groupId: this.#group,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          partitions: [...offsets].map(([partitionIndex, offset]) => ({
            partitionIndex,
            committedOffset: Number(offset),
            committedLeaderEpoch: -1,
            committedMetadata: null,
          })),
        },
      ],
    });
  }

  close(): void {
    this.#kafka.close();
  }
}

/** Waits until the group's coordinator is there, and has read what there is of it. */
async function coordinatorOf(bootstrap: string, group: string): Promise<string> {
  const any = await KafkaConnection.open(bootstrap);
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      const found = (await any.ask(findCoordinator, 6, { keyType: 0, coordinatorKeys: [group] })).coordinators[0];
      if (found?.errorCode === 0) return `${found.host}:${found.port}`;
      await pause(RETRY_MS);
    }
    throw new Error(`nobody coordinates ${group}`);
  } finally {
    any.close();
  }
}
