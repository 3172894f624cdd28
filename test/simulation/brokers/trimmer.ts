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
  #isStopped = false;

  constructor(
    parts: Parts<BrokerSwarm>,
    load: { readonly coordinators: readonly string[]; readonly partitions: readonly LoadPartition[] },
  ) {
    const { process, world } = clientProcess('trimmer', parts);
    this.process = process;
    this.#client = new Client({ coordinators: load.coordinators, name: process.name }, world);
    this.#chance = parts.chanceFor("trimmer's load");
    this.#partitions = load.partitions;
    this.#trimMs = parts.swarm.trimMs;
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

  async #trim({ topic, index }: LoadPartition): Promise<void> {
    if (this.#chance.happens(0.3)) {
      await this.#client.deleteRecords(topic.name, [{ partition: index, before: 'end' }]);
      return;
    }
    const [latest] = await this.#client.listOffsets(topic.name, [{ partition: index, timestamp: 'latest' }]);
    const before = this.#chance.whole(0, latest?.offset ?? 0);
    await this.#client.deleteRecords(topic.name, [{ partition: index, before }]);
  }
}
