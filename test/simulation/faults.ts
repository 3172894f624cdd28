import type { SimulatedBroker } from './cluster/broker.ts';
import type { Coordinators, CoordinatorProcess } from './cluster/coordinators.ts';
import type { Follower } from './cluster/follower.ts';
import type { TreeClient } from './cluster/tree-client.ts';
import type { Chance } from './engine/chance.ts';
import type { Process } from './engine/process.ts';
import type { Parts } from './parts.ts';
import type { FaultSwarm } from './swarm.ts';

/** Whom faults may hit. */
export interface Victims {
  readonly coordinators: Coordinators;
  readonly brokers: readonly SimulatedBroker[];
  readonly followers: readonly Follower[];
  readonly treeClients: readonly TreeClient[];
}

/** Breaks things, each kind at its own rate, until the run is to heal. */
export class Faults {
  readonly #parts: Parts;
  readonly #victims: Victims;
  readonly #chance: Chance;
  #count = 0;
  #isOver = false;

  constructor(parts: Parts, victims: Victims) {
    this.#parts = parts;
    this.#victims = victims;
    this.#chance = parts.chanceFor('faults');
    for (const kind of Object.keys(this.#kinds) as (keyof FaultSwarm)[]) this.#next(kind);
  }

  /** Faults so far. */
  get count(): number {
    return this.#count;
  }

  /** No more faults; what is broken stays so. */
  stop(): void {
    this.#isOver = true;
  }

  readonly #kinds: Readonly<Record<keyof FaultSwarm, () => void>> = {
    killCoordinatorMs: () => this.#coordinator()?.process.die('killed'),
    stopCoordinatorMs: () => {
      const one = this.#victims.coordinators.newest;
      if (one?.process.state === 'runs') this.#victims.coordinators.stop(one);
    },
    pauseCoordinatorMs: () => {
      const process = this.#coordinator()?.process;
      if (process === undefined) return;
      this.#pause(process, 15_000);
      // Whoever watches over it takes it for dead.
      if (this.#chance.happens(0.6)) this.#later(5_000, () => this.#victims.coordinators.start());
    },
    secondCoordinatorMs: () => this.#victims.coordinators.start(),
    isolateFromStoreMs: () => {
      const process = this.#coordinator()?.process;
      if (process === undefined) return;
      this.#parts.store.isolate(process);
      this.#later(10_000, () => this.#parts.store.rejoin(process));
    },
    restartBrokerMs: () => {
      const broker = this.#chance.pick(this.#victims.brokers);
      const { otherDirectoryRate, doubtfulRate } = this.#parts.swarm;
      const isOtherDirectory = this.#chance.happens(otherDirectoryRate);
      broker.kill();
      this.#later(10_000, () => {
        if (broker.process === undefined) broker.start({ isOtherDirectory, doubtfulRate });
      });
    },
    pauseBrokerMs: () => {
      const process = this.#chance.pick([...this.#victims.brokers, ...this.#victims.treeClients]).process;
      if (process !== undefined) this.#pause(process, 12_000);
    },
    breakConnectionsMs: () => this.#parts.network.breakSome(),
    partitionMs: () => {
      const coordinator = this.#coordinator()?.process;
      const { followers, brokers, treeClients } = this.#victims;
      const others = [...followers, ...brokers, ...treeClients].flatMap(({ process }) => process ?? []);
      if (coordinator === undefined) return;
      const cutOff = this.#chance.happens(0.3) ? others : [this.#chance.pick(others)];
      const way = this.#chance.pick(['there', 'back', 'both'] as const);
      for (const other of cutOff) this.#partition(other, coordinator, way);
    },
  };

  #next(kind: keyof FaultSwarm): void {
    const everyMs = this.#parts.swarm.faults[kind];
    if (everyMs === 0) return;
    this.#later(2 * everyMs, () => {
      this.#count++;
      this.#kinds[kind]();
      this.#next(kind);
    });
  }

  /** Sometime within that time, unless faults are over then. */
  #later(maxMs: number, run: () => void): void {
    this.#parts.ground.scheduler.in(this.#chance.between(0, maxMs), () => {
      if (!this.#isOver) run();
    });
  }

  /** The newest mostly, a predecessor sometimes. */
  #coordinator(): CoordinatorProcess | undefined {
    const { living, newest } = this.#victims.coordinators;
    return living.length > 0 && this.#chance.happens(0.3) ? this.#chance.pick(living) : newest;
  }

  #pause(process: Process, maxMs: number): void {
    process.pause();
    this.#later(maxMs, () => process.resume());
  }

  #partition(one: Process, other: Process, way: 'there' | 'back' | 'both'): void {
    const { network } = this.#parts;
    const ways = [
      ...(way === 'back' ? [] : [[one, other] as const]),
      ...(way === 'there' ? [] : [[other, one] as const]),
    ];
    for (const [from, to] of ways) {
      network.block(from, to);
      this.#later(this.#chance.pick([9_000, 20_000]), () => network.unblock(from, to));
    }
  }
}
