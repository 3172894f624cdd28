import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { leaveGroup } from '@weir/kafka/apis/leave-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { changesOf } from '../test-broker.ts';
import type { TestClient } from './test-client.ts';
import { OTHER_ID_BYTES, TestDoor } from './test-door.ts';
import type { TestDoorOptions } from './test-door.ts';

/** A door whose broker leads all groups, in a topic of one partition. */
export async function doorOfGroups(options: TestDoorOptions = {}): Promise<TestDoor> {
  const door = await TestDoor.open(options);
  leadGroups(door, 0);
  await door.settle();
  return door;
}

/** The metadata says who leads all groups. */
export function leadGroups(door: TestDoor, epoch: number, leader = 1): void {
  door.apply(...changesOf({ partitions: [{ leader, epoch, replicas: [1, 2] }] }, OTHER_ID_BYTES, OFFSETS_TOPIC));
}

/** A consumer, as a client is one: what it is told it takes over. */
export class TestConsumer {
  readonly client: TestClient;
  readonly #group: string;
  readonly #topics: readonly string[];
  memberId = '';
  generation = -1;
  leader = '';
  members: readonly string[] = [];

  constructor(door: TestDoor, { group = 'g', topics = ['orders'] } = {}) {
    this.client = door.connect();
    this.#group = group;
    this.#topics = topics;
  }

  get isLeader(): boolean {
    return this.leader === this.memberId;
  }

  /** Asks to join, whatever comes of it; `joined` has the answer. */
  sendJoin(): void {
    this.client.send(joinGroup, 9, {
      groupId: this.#group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscriptionTo(this.#topics) }],
      reason: null,
    });
  }

  /** Takes the answer to JoinGroup: its error; undefined: there is none yet. */
  joined(): number | undefined {
    const [answer] = this.client.take();
    if (answer === undefined) return undefined;
    const { errorCode, memberId, generationId, leader, members } = answer.response;
    this.memberId = memberId;
    if (errorCode !== 0) return errorCode;
    this.generation = generationId;
    this.leader = leader;
    this.members = members.map((member: { memberId: string }) => member.memberId);
    return 0;
  }

  /** Joins a group that nobody else joins just now. */
  async join(door: TestDoor): Promise<number | undefined> {
    this.sendJoin();
    await door.settle();
    // It has to come again with the id that it is given.
    if (this.joined() === MEMBER_ID_REQUIRED) this.sendJoin();
    await door.settle();
    return this.joined();
  }

  /** As the leader it gives each member its place in the list of members. */
  sync(): Promise<{ readonly errorCode: number; readonly assignment: Buffer }> {
    const assignments = this.isLeader
      ? this.members.map((memberId, i) => ({ memberId, assignment: Buffer.from(`part ${i}`) }))
      : [];
    return this.client.ask(syncGroup, 5, {
      groupId: this.#group,
      generationId: this.generation,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments,
    });
  }

  async heartbeat(): Promise<number> {
    const { memberId, generation: generationId } = this;
    const request = { groupId: this.#group, generationId, memberId, groupInstanceId: null };
    return (await this.client.ask(heartbeat, 4, request)).errorCode;
  }

  async leave(): Promise<number> {
    const members = [{ memberId: this.memberId, groupInstanceId: null, reason: 'enough' }];
    const { errorCode, members: left } = await this.client.ask(leaveGroup, 5, { groupId: this.#group, members });
    return errorCode === 0 ? left[0]!.errorCode : errorCode;
  }

  sendCommit(offset: number, { topic = 'orders', partition = 0, metadata = '' } = {}): void {
    this.client.send(offsetCommit, 9, {
      groupId: this.#group,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          partitions: [
            {
              partitionIndex: partition,
              committedOffset: offset,
              committedLeaderEpoch: 3,
              committedMetadata: metadata,
            },
          ],
        },
      ],
    });
  }

  /** The error that a commit was answered with; undefined: it was not. */
  committed(): number | undefined {
    return this.client.take()[0]?.response.topics[0].partitions[0].errorCode;
  }

  async commit(
    door: TestDoor,
    offset: number,
    place: Parameters<TestConsumer['sendCommit']>[1] = {},
  ): Promise<number | undefined> {
    this.sendCommit(offset, place);
    await door.settle();
    return this.committed();
  }
}

/** What a group has committed in partition 0 of a topic: the offset, or minus the group's error. */
export async function offsetOf(client: TestClient, group = 'g', topic = 'orders'): Promise<number> {
  const groups = [{ groupId: group, topics: [{ name: topic, partitionIndexes: [0] }] }];
  const { groups: answered } = await client.ask(offsetFetch, 9, { groups, requireStable: true });
  const { errorCode, topics } = answered[0]!;
  return errorCode === 0 ? topics[0]!.partitions[0]!.committedOffset : -errorCode;
}

/** What a consumer says with its protocol. */
export function subscriptionTo(topics: readonly string[]): Buffer {
  return consumerProtocolSubscription.encode({ topics, userData: null });
}

const MEMBER_ID_REQUIRED = 79;
