import { setTimeout as pause } from 'node:timers/promises';
import { fetch } from '@weir/kafka/apis/fetch.ts';
import { readRecords } from '@weir/records/read-records.ts';
import { GroupMember } from './group-member.ts';
import type { MemberSettings } from './group-member.ts';
import { KafkaConnection } from './kafka-connection.ts';

const ROUND_MS = 50;
/** Beyond what a member asks for at once in these tests. */
const PLENTY = 1024 * 1024;

/** What it reads, and how it gets there. */
export interface KafkaReaderSettings extends MemberSettings {
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
  /** At the group's coordinator, once that is found. */
  #member: GroupMember | undefined;
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
    this.#member?.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const member = await this.#enter();
      if (member === undefined) await pause(ROUND_MS);
      else while (!this.#isStopped && (await this.#round(member)));
    }
  }

  /** In a generation, with where to read on; undefined: it has to try again. */
  async #enter(): Promise<GroupMember | undefined> {
    const member = (this.#member ??= await GroupMember.find(this.#settings.bootstrap, this.#settings));
    if ((await member.join()) !== 0 || (await member.sync()).error !== 0) return undefined;
    this.owned.set(member.generation, member.assigned);
    const { error, offsets } = await member.committedIn(member.assigned);
    this.#positions.clear();
    for (const [partition, offset] of offsets) this.#positions.set(partition, Math.max(0, offset));
    return error === 0 ? member : undefined;
  }

  /** Reads what there is, and commits that. False: it has to join again. */
  async #round(member: GroupMember): Promise<boolean> {
    let hasRead = false;
    for (const partition of this.#positions.keys()) hasRead = (await this.#read(partition)) || hasRead;
    if (hasRead) await member.commitEach(this.#positions);
    else await pause(ROUND_MS);
    return (await member.heartbeat()) === 0;
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
}
