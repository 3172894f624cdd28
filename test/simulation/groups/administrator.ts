import { WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { clientProcess } from '../brokers/client-world.ts';
import type { BrokerSwarm } from '../brokers/swarm.ts';
import type { LoadPartition } from '../brokers/topics.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { LATE_TOPIC } from './swarm.ts';

/** Partitions of one topic, and topics that come late. */
const PARTITIONS_MAX = 4;
const LATE_TOPICS_MAX = 2;
/** Between two looks at what groups have committed. */
const LOOK_MS = 700;

/** A process that lets topics grow, wants to set back what groups have committed, and looks at them. */
export class GroupAdministrator {
  readonly process: Process;
  readonly #parts: Parts<BrokerSwarm>;
  readonly #client: Client;
  readonly #chance: Chance;
  readonly #partitions: LoadPartition[];
  #lateTopics = 0;
  #isGrowing = false;
  #isStopped = false;

  /** @param load.partitions - takes what comes: whoever sends to these sends there as well */
  constructor(
    parts: Parts<BrokerSwarm>,
    load: { readonly coordinators: readonly string[]; readonly partitions: LoadPartition[] },
  ) {
    this.#parts = parts;
    const { process, world } = clientProcess('administrator of groups', parts);
    this.process = process;
    this.#client = new Client({ coordinators: load.coordinators, name: process.name }, world);
    this.#chance = parts.chanceFor("administrator's load");
    this.#partitions = load.partitions;
    this.#look();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** A topic gets one more partition, or another one comes. */
  async grow(): Promise<void> {
    if (this.#isGrowing) return;
    this.#isGrowing = true;
    try {
      await (this.#chance.happens(0.4) ? this.#createTopic() : this.#addPartition());
    } catch (error) {
      // Nobody knows what became of it.
      this.#refused(error);
    } finally {
      this.#isGrowing = false;
    }
  }

  /** Somebody who is no member sets a partition to where it was, or to its start: in a group that is empty. */
  async reset(groupId: string): Promise<void> {
    try {
      const committed = await this.#client.groups.offsets(groupId);
      if (committed.length === 0) return;
      const { topic, partition, offset } = this.#chance.pick(committed);
      await this.#client.groups.commit(groupId, [{ topic, partition, offset: this.#chance.whole(0, offset) }]);
    } catch (error) {
      // Somebody is in it, or nobody coordinates it for now.
      this.#refused(error);
    }
  }

  async #addPartition(): Promise<void> {
    const { topic } = this.#chance.pick(this.#partitions);
    const index = this.#partitions.filter((one) => one.topic === topic).length;
    if (index >= PARTITIONS_MAX) return;
    const [outcome] = await this.#client.createPartitions([{ name: topic.name, totalCount: index + 1 }]);
    if (outcome?.refusal !== undefined) return;
    this.#parts.sometimes.saw('a topic that a group reads got a partition');
    this.#partitions.push({ topic, index, name: `${topic.name}/${index}` });
  }

  async #createTopic(): Promise<void> {
    const like = this.#chance.pick(this.#parts.swarm.topics);
    if (this.#lateTopics >= LATE_TOPICS_MAX) return;
    const name = `${LATE_TOPIC}${++this.#lateTopics}`;
    const { replicationFactor, minInSync } = like;
    const configs = { 'min.insync.replicas': String(minInSync), flush: 'commit' };
    const [outcome] = await this.#client.createTopics([{ name, partitions: 1, replicationFactor, configs }]);
    if (outcome?.refusal !== undefined) return;
    this.#parts.sometimes.saw('a topic came that a pattern matches');
    const topic = { ...like, name, partitions: 1, flush: 'commit', compaction: undefined } as const;
    this.#partitions.push({ topic, index: 0, name: `${name}/0` });
  }

  /** What it is told is compared with what is committed, as it is on its way. */
  #look(): void {
    this.process.clock.after(this.#chance.between(0, 2 * LOOK_MS), () => {
      if (this.#isStopped) return;
      const { id } = this.#chance.pick(this.#parts.swarm.groups.groups);
      const asked: Promise<unknown> = this.#chance.happens(0.5)
        ? this.#client.groups.offsets(id)
        : this.#client.groups.describe(id);
      // Whatever comes of it, the next one begins after that.
      void asked.catch((error: unknown) => this.#refused(error)).then(() => this.#look());
    });
  }

  #refused(error: unknown): void {
    if (error instanceof WeirError) return;
    const text = error instanceof Error ? error.stack : String(error);
    this.#parts.ground.violated(`${this.process.name}: ${text}`);
  }
}
