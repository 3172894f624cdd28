import { setTimeout as pause } from 'node:timers/promises';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { heartbeat } from '@weir/kafka/apis/heartbeat.ts';
import { joinGroup } from '@weir/kafka/apis/join-group.ts';
import { offsetCommit } from '@weir/kafka/apis/offset-commit.ts';
import { offsetFetch } from '@weir/kafka/apis/offset-fetch.ts';
import { syncGroup } from '@weir/kafka/apis/sync-group.ts';
import { consumerProtocolAssignment, consumerProtocolSubscription } from '@weir/kafka/records/consumer-protocol.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { findGroup } from './group-member.ts';
import { KafkaConnection } from './kafka-connection.ts';

const MEMBER_ID_REQUIRED = 79;
const ROUND_MS = 50;
/** Beyond what a member asks for at once in these tests. */
const PLENTY = 1024 * 1024;

/** What it reads, and how it gets there. */
export interface KafkaReaderSettings {
  readonly group: string;
  readonly topic: string;
  /** Of the topic: as the leader it gives them to the members in turn. */
  readonly partitions: number;
  readonly bootstrap: string;
  /** The Kafka address of who leads a partition now. */
  readonly leaderOf: (partition: number) => string;
}

/** A consumer that speaks Kafka's protocol alone: it joins, reads, commits what it has read, and joins again when it is told to. */
export class KafkaReader {
  readonly values: string[] = [];
  /** What it had in each generation that it was in. */
  readonly owned = new Map<number, readonly number[]>();
  readonly #settings: KafkaReaderSettings;
  readonly #connections = new Map<string, KafkaConnection>();
  readonly #positions = new Map<number, number>();
  #coordinator: KafkaConnection | undefined;
  #memberId = '';
  #generation = -1;
  #isStopped = false;
  #running: Promise<void>;

  constructor(settings: KafkaReaderSettings) {
    this.#settings = settings;
    this.#running = this.#run();
  }

  /** It stops as if it were killed. @throws what went wrong meanwhile */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    for (const connection of this.#connections.values()) connection.close();
    this.#coordinator?.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      if (!(await this.#enter())) await pause(ROUND_MS);
      else while (!this.#isStopped && (await this.#round()));
    }
  }

  /** Whether it is in a generation. */
  async #enter(): Promise<boolean> {
    const { group, topic, partitions, bootstrap } = this.#settings;
    if (this.#coordinator === undefined) {
      const found = await findGroup(bootstrap, group);
      if (found === undefined) return false;
      this.#coordinator = await KafkaConnection.open(found.address);
    }
    const metadata = consumerProtocolSubscription.encode({ topics: [topic], userData: null });
    const joined = await this.#coordinator.ask(joinGroup, 9, {
      groupId: group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 30_000,
      memberId: this.#memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata }],
      reason: null,
    });
    if (joined.errorCode === MEMBER_ID_REQUIRED) this.#memberId = joined.memberId;
    if (joined.errorCode !== 0) return false;
    this.#generation = joined.generationId;
    const isLeader = joined.leader === this.#memberId;
    const members = isLeader ? joined.members : [];
    const synced = await this.#coordinator.ask(syncGroup, 5, {
      groupId: group,
      generationId: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: members.map(({ memberId }, n) => {
        const own = Array.from({ length: partitions }, (_, i) => i).filter((i) => i % members.length === n);
        const assignedPartitions = [{ topic, partitions: own }];
        return { memberId, assignment: consumerProtocolAssignment.encode({ assignedPartitions, userData: null }) };
      }),
    });
    if (synced.errorCode !== 0) return false;
    const { assignedPartitions } = consumerProtocolAssignment.decode(synced.assignment).value;
    const own = assignedPartitions.flatMap((assigned) => assigned.partitions);
    this.owned.set(this.#generation, own);
    await this.#begin(this.#coordinator, own);
    return true;
  }

  async #begin(coordinator: KafkaConnection, own: readonly number[]): Promise<void> {
    const { group, topic } = this.#settings;
    const groups = [{ groupId: group, topics: [{ name: topic, partitionIndexes: [...own] }] }];
    const [answered] = (await coordinator.ask(offsetFetch, 9, { groups, requireStable: true })).groups;
    this.#positions.clear();
    for (const { partitionIndex, committedOffset } of answered!.topics[0]?.partitions ?? []) {
      this.#positions.set(partitionIndex, Math.max(0, committedOffset));
    }
  }

  /** Reads what there is, and commits that. False: it has to join again. */
  async #round(): Promise<boolean> {
    const { group } = this.#settings;
    let hasRead = false;
    for (const partition of this.#positions.keys()) hasRead = (await this.#read(partition)) || hasRead;
    if (hasRead) await this.#commit();
    else await pause(ROUND_MS);
    const { errorCode } = await this.#coordinator!.ask(heartbeat, 4, {
      groupId: group,
      generationId: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
    });
    return errorCode === 0;
  }

  async #read(partition: number): Promise<boolean> {
    const { topic, leaderOf } = this.#settings;
    const address = leaderOf(partition);
    let connection = this.#connections.get(address);
    if (connection === undefined) this.#connections.set(address, (connection = await KafkaConnection.open(address)));
    const from = this.#positions.get(partition)!;
    const wanted = { partition, fetchOffset: from, partitionMaxBytes: PLENTY };
    const { responses } = await connection.ask(fetch, 12, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: PLENTY,
      isolationLevel: 0,
      topics: [{ topic, partitions: [wanted] }],
    });
    const records = responses[0]?.partitions[0]?.records;
    if (records == null || records.length === 0) return false;
    readRecords(
      records,
      (record) => {
        this.values.push(String(record.value));
        this.#positions.set(partition, record.offset + 1);
      },
      from,
    );
    return true;
  }

  async #commit(): Promise<void> {
    const { group, topic } = this.#settings;
    const partitions = [...this.#positions].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    }));
    await this.#coordinator!.ask(offsetCommit, 9, {
      groupId: group,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: null,
      topics: [{ name: topic, partitions }],
    });
  }
}
