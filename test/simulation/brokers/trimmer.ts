import { Client } from '@weir/client/client.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { clientProcess } from './client-world.ts';
import type { BrokerSwarm } from './swarm.ts';
import type { LoadPartition } from './topics.ts';

/** A process that deletes the oldest records now and then, up to anywhere: followers that are behind that begin anew. */
export class Trimmer {
  readonly process: Process;
  readonly #client: Client;
  readonly #chance: Chance;
  readonly #partitions: readonly LoadPartition[];
  readonly #trimMs: number;
  readonly #deleted: (partition: string, start: number) => void;
  #isStopped = false;

  constructor(
    parts: Parts<BrokerSwarm>,
    load: { readonly coordinators: readonly string[]; readonly partitions: readonly LoadPartition[] },
    deleted: (partition: string, start: number) => void,
  ) {
    const { process, world } = clientProcess('trimmer', parts);
    this.process = process;
    this.#client = new Client({ coordinators: load.coordinators, name: process.name }, world);
    this.#chance = parts.chanceFor("trimmer's load");
    this.#partitions = load.partitions;
    this.#trimMs = parts.swarm.trimMs;
    this.#deleted = deleted;
    if (this.#trimMs > 0) this.#next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    this.process.clock.after(this.#chance.between(0, 2 * this.#trimMs), () => {
      if (this.#isStopped) return;
      // Whatever comes of it, the next one begins after that.
      void this.#trim(this.#chance.pick(this.#partitions)).then(
        () => this.#next(),
        () => this.#next(),
      );
    });
  }

  async #trim(partition: LoadPartition): Promise<void> {
    const before = this.#chance.happens(0.3) ? 'end' : await this.#anywhere(partition);
    const { topic, index, name } = partition;
    const [result] = await this.#client.deleteRecords(topic.name, [{ partition: index, before }]);
    if (result?.lowWatermark !== undefined) this.#deleted(name, result.lowWatermark);
  }

  async #anywhere({ topic, index }: LoadPartition): Promise<number> {
    const [latest] = await this.#client.listOffsets(topic.name, [{ partition: index, timestamp: 'latest' }]);
    return this.#chance.whole(0, latest?.offset ?? 0);
  }
}
