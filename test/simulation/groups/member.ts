import { sleep } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import type { ConsumedRecord, GroupConsumer } from '@weir/client/consumer/group-consumer.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import { clientProcess } from '../brokers/client-world.ts';
import { textOf } from '../brokers/load-record.ts';
import type { BrokerSwarm } from '../brokers/swarm.ts';
import type { RecordHistory } from '../checks/record-history.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import type { GroupProgress } from './group-progress.ts';
import type { Owners } from './owners.ts';
import type { GroupSwarm } from './swarm.ts';

/** What members tell. */
export interface MemberParts {
  readonly parts: Parts<BrokerSwarm>;
  readonly coordinators: readonly string[];
  readonly history: RecordHistory;
  readonly progress: GroupProgress;
  readonly owners: Owners;
  /** Its process has ended. */
  readonly ended: (member: Member) => void;
}

/** A poll in which its owner is at work for longer than the group lets it. */
const IDLE_RATE = 0.005;
/** Of a poll in which all is to be read: who commits after each would else take as long as its commits do. */
const HURRIED_RECORDS = 500;
/** Between two tries to commit by hand. */
const RECOMMIT_MS = 1_000;

/** A process that reads as a member of a group, with the native consumer, from its start to its end. */
export class Member {
  readonly process: Process;
  readonly instanceId: string | undefined;
  readonly #group: GroupSwarm;
  readonly #parts: MemberParts;
  readonly #chance: Chance;
  readonly #client: Client;
  readonly #consumer: GroupConsumer;
  /** By partition, which record comes next. */
  readonly #next = new Map<string, number>();
  #isStopping = false;
  #isHurried = false;
  #operations = 0;

  constructor(name: string, group: GroupSwarm, instanceId: string | undefined, parts: MemberParts) {
    this.#group = group;
    this.#parts = parts;
    this.instanceId = instanceId;
    const { process, world } = clientProcess(name, parts.parts);
    this.process = process;
    this.#chance = parts.parts.chanceFor(`${name}'s work`);
    process.whenDead(() => parts.ended(this));
    this.#client = new Client({ coordinators: parts.coordinators, name }, world);
    const { id: groupId, topics, assignors, sessionTimeoutMs, pollIntervalMs, commitIntervalMs } = group;
    this.#consumer = this.#client.consumer({
      groupId,
      topics: topics ?? /^(topic|late)-/,
      ...(instanceId === undefined ? {} : { instanceId }),
      assignors,
      sessionTimeoutMs,
      pollIntervalMs,
      commitIntervalMs,
      offsetReset: 'earliest',
      events: {
        assigned: (places) => this.#forget(places),
        revoked: (places) => this.#forget(places),
        lost: (places) => this.#forget(places),
      },
    });
    void this.#run();
  }

  /** Times that it was given records. */
  get operations(): number {
    return this.#operations;
  }

  get generation(): number {
    return this.#consumer.generation;
  }

  /** What it reads, as "topic/0". */
  get places(): readonly string[] {
    return this.#consumer.assignment().map(nameOf);
  }

  /** It takes more at a time and is never at work for long any more: all that there is is to be read. */
  hurry(): void {
    this.#isHurried = true;
  }

  /** It commits and leaves; a static one keeps its place for a session's time. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.process.deliver(() => void this.#client.close().then(() => this.process.die('stopped')));
  }

  async #run(): Promise<void> {
    const { recordsMax, workMsMax, pollIntervalMs, commitIntervalMs } = this.#group;
    const { clock } = this.process;
    try {
      for (;;) {
        const drawn = this.#chance.whole(1, recordsMax);
        const maxRecords = this.#isHurried ? HURRIED_RECORDS : drawn;
        // What could not be committed is tried again, be there more to read or not.
        const waitMs = commitIntervalMs === 'manual' ? { waitMs: RECOMMIT_MS } : {};
        const records = await this.#consumer.poll({ maxRecords, ...waitMs });
        if (this.#isStopping) return;
        this.#given(records);
        const isIdle = this.#chance.happens(IDLE_RATE);
        const workMs = isIdle ? pollIntervalMs + 3_000 : this.#chance.between(0, workMsMax);
        if (workMs > 0 && !this.#isHurried) await sleep(clock, workMs);
        for (const { record, ...place } of records)
          this.#parts.progress.done(this.#group.id, nameOf(place), record.offset);
        const commits = this.#isHurried || this.#chance.happens(0.5);
        if (commitIntervalMs === 'manual' && commits) await this.#commit();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  async #commit(): Promise<void> {
    try {
      await this.#consumer.commit();
    } catch (error) {
      // Another generation has begun, or nobody coordinates the group for now.
      if (!(error instanceof WeirError)) throw error;
    }
  }

  /** What was not committed may be read again: by whom it is told, and in whichever generation. */
  #given(records: readonly ConsumedRecord[]): void {
    const { history, owners } = this.#parts;
    const { name } = this.process;
    if (records.length > 0) this.#operations++;
    for (const [partition, given] of Map.groupBy(records, nameOf)) {
      const from = this.#next.get(partition) ?? given[0]!.record.offset;
      const seen = given.map(({ record }) => ({ offset: record.offset, value: textOf(record) }));
      history.polled({ reader: name, partition, from, records: seen });
      this.#next.set(partition, seen.at(-1)!.offset + 1);
      const { generation } = this;
      const owner = { groupId: this.#group.id, generation, memberId: name, instanceId: this.instanceId };
      if (generation >= 0) owners.read(owner, partition);
    }
  }

  /** It may go on elsewhere the next time. */
  #forget(places: readonly TopicPartition[]): void {
    for (const place of places) this.#next.delete(nameOf(place));
  }

  /** Nothing ends a member but another one with its instance id. */
  #failed(error: unknown): void {
    const code = error instanceof WeirError ? error.code : undefined;
    if (code !== 'FENCED_INSTANCE_ID' || this.instanceId === undefined) {
      const text = error instanceof Error ? error.stack : String(error);
      this.#parts.parts.ground.violated(`${this.process.name} cannot go on: ${code ?? ''} ${text}`);
    }
    this.process.die('fenced');
  }
}

/** A partition as histories name it. */
function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
