import { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { leaveGroup } from '@weir/kafka/apis/leave-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolAssignment, consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { errorCodeOf } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { Api, RequestToSend, ResponseOf } from '@weir/kafka/api.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { BoundedConnections } from './bounded-connections.ts';
import type { MemberSettings } from './member-settings.ts';

/** A group's coordinator has so long for what it answers at once. */
const ANSWER_MS_MAX = 5_000;
/** What follows a wait for all members has so much more. */
const JOIN_SLACK_MS = 5_000;

/** How far somebody is in a partition. */
export type Position = TopicPartition & { readonly offset: number };
/** Topics that somebody reads, with their numbers of partitions. */
export type TopicSizes = ReadonlyMap<string, number>;

/** What a JoinGroup came to: the members with their topics, of who has to assign. */
interface Joined {
  readonly members: readonly { readonly memberId: string; readonly topics: readonly string[] }[];
}

/** What a group says through Kafka's classic protocol to one member of it, which does with that what it likes. */
export class ClassicGroup {
  memberId = '';
  generation = -1;
  /** It assigns. */
  isLeader = false;
  readonly #settings: MemberSettings;
  readonly #connections: BoundedConnections;
  /** host:port, once it is known. */
  #coordinator: string | undefined;

  constructor(settings: MemberSettings, connections: BoundedConnections) {
    this.#settings = settings;
    this.#connections = connections;
  }

  /** Somebody else may coordinate the group now. */
  forgetCoordinator(): void {
    if (this.#coordinator !== undefined) this.#connections.drop(this.#coordinator);
    this.#coordinator = undefined;
  }

  /** Joins, with the id that it has or is given, and gets its part. @returns the first error, or what it has */
  async enter(topics: TopicSizes): Promise<{ readonly error: ErrorCode } | readonly TopicPartition[]> {
    let joined = await this.#join(topics);
    if (joined === 'MEMBER_ID_REQUIRED') joined = await this.#join(topics);
    if (typeof joined === 'string') return { error: joined };
    const { group, instance = null, rebalanceTimeoutMs } = this.#settings;
    const answerMs = rebalanceTimeoutMs + JOIN_SLACK_MS;
    const assignments = share(joined.members, topics);
    const { errorCode, assignment } = await this.#ask(answerMs, syncGroup, 5, {
      groupId: group,
      generationId: this.generation,
      memberId: this.memberId,
      groupInstanceId: instance,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments,
    });
    if (errorCode !== 0) return { error: errorCodeOf(errorCode) };
    if (assignment.length === 0) return [];
    const { assignedPartitions } = consumerProtocolAssignment.decode(assignment).value;
    return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
  }

  async heartbeat(): Promise<ErrorCode> {
    const { group: groupId, instance: groupInstanceId = null } = this.#settings;
    const request = { groupId, generationId: this.generation, memberId: this.memberId, groupInstanceId };
    return errorCodeOf((await this.#ask(ANSWER_MS_MAX, heartbeat, 4, request)).errorCode);
  }

  /** @returns the first error */
  async commit(positions: readonly Position[]): Promise<ErrorCode> {
    const { group, instance = null } = this.#settings;
    const { topics } = await this.#ask(ANSWER_MS_MAX, offsetCommit, 9, {
      groupId: group,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      groupInstanceId: instance,
      topics: [...Map.groupBy(positions, ({ topic }) => topic)].map(([name, ofTopic]) => ({
        name,
        partitions: ofTopic.map(({ partition, offset }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: -1,
          committedMetadata: null,
        })),
      })),
    });
    const codes = topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    return errorCodeOf(codes.find((code) => code !== 0) ?? 0);
  }

  /** Where to read on: at what is committed, or at the start. @returns an error instead */
  async committed(places: readonly TopicPartition[]): Promise<{ readonly error: ErrorCode } | readonly Position[]> {
    const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, ofTopic]) => ({
      name,
      partitionIndexes: ofTopic.map(({ partition }) => partition),
    }));
    const groups = [{ groupId: this.#settings.group, topics }];
    const answer = await this.#ask(ANSWER_MS_MAX, offsetFetch, 9, { groups, requireStable: true });
    const told = answer.groups[0]!;
    if (told.errorCode !== 0) return { error: errorCodeOf(told.errorCode) };
    return told.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex: partition, committedOffset }) => ({
        topic: name,
        partition,
        offset: Math.max(0, committedOffset),
      })),
    );
  }

  /** It is no part of the group any more; a static member keeps its place. */
  async leave(): Promise<void> {
    const { group: groupId, instance } = this.#settings;
    if (this.memberId === '' || instance !== undefined) return;
    const members = [{ memberId: this.memberId, groupInstanceId: null, reason: 'it is stopped' }];
    await this.#ask(ANSWER_MS_MAX, leaveGroup, 5, { groupId, members });
  }

  async #join(topics: TopicSizes): Promise<Joined | ErrorCode> {
    const { group, instance = null, sessionTimeoutMs, rebalanceTimeoutMs } = this.#settings;
    const metadata = consumerProtocolSubscription.encode({ topics: [...topics.keys()], userData: null });
    const answer = await this.#ask(rebalanceTimeoutMs + JOIN_SLACK_MS, joinGroup, 9, {
      groupId: group,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: this.memberId,
      groupInstanceId: instance,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata }],
      reason: null,
    });
    const { errorCode, memberId, generationId, leader, members, skipAssignment } = answer;
    if (memberId !== '') this.memberId = memberId;
    if (errorCode !== 0) return errorCodeOf(errorCode);
    this.generation = generationId;
    this.isLeader = leader === memberId;
    if (!this.isLeader || skipAssignment) return { members: [] };
    return {
      members: members.map((member) => ({
        memberId: member.memberId,
        topics: consumerProtocolSubscription.decode(member.metadata).value.topics,
      })),
    };
  }

  async #ask<A extends Api>(
    answerMs: number,
    api: A,
    version: number,
    request: RequestToSend<A>,
  ): Promise<ResponseOf<A>> {
    this.#coordinator ??= await this.#find();
    return this.#connections.ask(this.#coordinator, { answerMs, api, version, request });
  }

  /** Asks any broker. @throws Error (as a rejection) when that one does not know */
  async #find(): Promise<string> {
    const { group, bootstrap } = this.#settings;
    const any = bootstrap[Math.floor(Math.random() * bootstrap.length)]!;
    const request = { keyType: 0, coordinatorKeys: [group] };
    const { coordinators } = await this.#connections.ask(any, {
      answerMs: ANSWER_MS_MAX,
      api: findCoordinator,
      version: 6,
      request,
    });
    const { host, port, errorCode } = coordinators[0]!;
    if (errorCode !== 0) throw new Error(`${any} knows no coordinator: ${errorCodeOf(errorCode)}`);
    return `${host}:${port}`;
  }
}

/** Deals all partitions out, each to somebody who reads its topic. */
function share(members: Joined['members'], sizes: TopicSizes): { memberId: string; assignment: Buffer }[] {
  const shares = members.map(({ memberId }) => ({ memberId, topics: new Map<string, number[]>() }));
  let turn = 0;
  for (const topic of new Set(members.flatMap(({ topics }) => topics))) {
    for (let partition = 0; partition < (sizes.get(topic) ?? 0); partition++) {
      // Somebody does, and everybody comes in turn.
      while (!members[turn % members.length]!.topics.includes(topic)) turn++;
      const { topics } = shares[turn++ % members.length]!;
      topics.set(topic, [...(topics.get(topic) ?? []), partition]);
    }
  }
  return shares.map(({ memberId, topics }) => {
    const assignedPartitions = [...topics].map(([topic, partitions]) => ({ topic, partitions }));
    return { memberId, assignment: consumerProtocolAssignment.encode({ assignedPartitions, userData: null }) };
  });
}
