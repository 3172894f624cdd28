import { setTimeout as pause } from 'node:timers/promises';
import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolAssignment, consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { KafkaConnection } from './kafka-connection.ts';

/** A new member has to come again, with the id that it is given. */
const MEMBER_ID_REQUIRED = 79;
/** The first group of all waits for the topic of their offsets. */
const FIND_MS_MAX = 60_000;
const AGAIN_MS = 100;

/** Where a group is coordinated, by whoever is asked; undefined while that one knows nobody. */
export async function findGroup(
  bootstrap: string,
  group: string,
): Promise<{ readonly nodeId: number; readonly address: string } | undefined> {
  const any = await KafkaConnection.open(bootstrap);
  try {
    const { coordinators } = await any.ask(findCoordinator, 6, { keyType: 0, coordinatorKeys: [group] });
    const { nodeId, host, port, errorCode } = coordinators[0]!;
    return errorCode === 0 ? { nodeId, address: `${host}:${port}` } : undefined;
  } finally {
    any.close();
  }
}

/** What a member reads. */
export interface MemberSettings {
  readonly group: string;
  readonly topic: string;
  /** Of the topic: the leader gives them to the members in turn. */
  readonly partitions: number;
  readonly sessionTimeoutMs?: number;
}

/** A member of a group that does what it is told, over a connection of its own. It reads no records. */
export class GroupMember {
  readonly kafka: KafkaConnection;
  readonly #settings: MemberSettings;
  memberId = '';
  generation = -1;
  /** It has what the leader of its generation gave it. */
  isAssigned = false;
  /** Partitions of its topic that it was given. */
  assigned: readonly number[] = [];
  #members: readonly string[] = [];
  #isLeader = false;

  private constructor(kafka: KafkaConnection, settings: MemberSettings) {
    this.kafka = kafka;
    this.#settings = settings;
  }

  static async connect(address: string, settings: MemberSettings): Promise<GroupMember> {
    return new GroupMember(await KafkaConnection.open(address), settings);
  }

  /** Waits until somebody coordinates the group. @throws Error (as a rejection) when nobody comes to */
  static async find(bootstrap: string, settings: MemberSettings): Promise<GroupMember> {
    const untilMs = performance.now() + FIND_MS_MAX;
    for (;;) {
      const found = await findGroup(bootstrap, settings.group);
      if (found !== undefined) return GroupMember.connect(found.address, settings);
      if (performance.now() > untilMs)
        throw new Error(`group ${settings.group} has no coordinator after ${FIND_MS_MAX} ms`);
      await pause(AGAIN_MS);
    }
  }

  /** Joins, with the id that it has or is given. Returns the error. */
  async join(): Promise<number> {
    this.isAssigned = false;
    const error = await this.#join();
    return error === MEMBER_ID_REQUIRED ? await this.#join() : error;
  }

  /** Takes its assignment; the leader assigns. Returns the error, and how many partitions it has. */
  async sync(): Promise<{ readonly error: number; readonly partitions: number }> {
    const { group } = this.#settings;
    const { errorCode, assignment } = await this.kafka.ask(syncGroup, 5, {
      groupId: group,
      generationId: this.generation,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: this.#isLeader ? this.#assign() : [],
    });
    this.isAssigned = errorCode === 0;
    if (errorCode !== 0) return { error: errorCode, partitions: 0 };
    const { assignedPartitions } = consumerProtocolAssignment.decode(assignment).value;
    this.assigned = assignedPartitions.flatMap(({ partitions }) => partitions);
    return { error: 0, partitions: this.assigned.length };
  }

  async heartbeat(): Promise<number> {
    const { memberId, generation: generationId } = this;
    const request = { groupId: this.#settings.group, generationId, memberId, groupInstanceId: null };
    return (await this.kafka.ask(heartbeat, 4, request)).errorCode;
  }

  /** Commits an offset in partitions of its topic. Returns the first error. */
  commit(offset: number, partitions: readonly number[] = [0]): Promise<number> {
    return this.commitEach(new Map(partitions.map((partition) => [partition, offset])));
  }

  /** Commits an offset for each of some partitions. Returns the first error. */
  async commitEach(offsets: ReadonlyMap<number, number>): Promise<number> {
    const { group, topic } = this.#settings;
    const { topics } = await this.kafka.ask(offsetCommit, 9, {
      groupId: group,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          partitions: [...offsets].map(([partitionIndex, committedOffset]) => ({
            partitionIndex,
            committedOffset,
            committedLeaderEpoch: -1,
            committedMetadata: null,
          })),
        },
      ],
    });
    return topics[0]!.partitions.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0;
  }

  /** What the group has committed in partition 0: the offset, or minus the error. */
  async committed(): Promise<number> {
    const { error, offsets } = await this.committedIn([0]);
    return error === 0 ? offsets.get(0)! : -error;
  }

  /** What the group has committed in partitions of its topic: -1 for nothing. */
  async committedIn(
    partitions: readonly number[],
  ): Promise<{ readonly error: number; readonly offsets: ReadonlyMap<number, number> }> {
    const { group, topic } = this.#settings;
    const groups = [{ groupId: group, topics: [{ name: topic, partitionIndexes: [...partitions] }] }];
    const [answered] = (await this.kafka.ask(offsetFetch, 9, { groups, requireStable: true })).groups;
    const { errorCode: error, topics } = answered!;
    const told = topics[0]?.partitions ?? [];
    return {
      error,
      offsets: new Map(told.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset])),
    };
  }

  close(): void {
    this.kafka.close();
  }

  async #join(): Promise<number> {
    const { group, topic, sessionTimeoutMs = 30_000 } = this.#settings;
    const metadata = consumerProtocolSubscription.encode({ topics: [topic], userData: null });
    const answer = await this.kafka.ask(joinGroup, 9, {
      groupId: group,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 60_000,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata }],
      reason: null,
    });
    const { errorCode, memberId, generationId, leader, members } = answer;
    if (memberId !== '') this.memberId = memberId;
    if (errorCode !== 0) return errorCode;
    this.generation = generationId;
    this.#isLeader = leader === memberId;
    this.#members = members.map((member) => member.memberId);
    return 0;
  }

  #assign(): { memberId: string; assignment: Buffer }[] {
    const { topic, partitions } = this.#settings;
    return this.#members.map((memberId, n) => {
      const own = Array.from({ length: partitions }, (_, i) => i).filter((i) => i % this.#members.length === n);
      const assignedPartitions = own.length === 0 ? [] : [{ topic, partitions: own }];
      return { memberId, assignment: consumerProtocolAssignment.encode({ assignedPartitions, userData: null }) };
    });
  }
}
