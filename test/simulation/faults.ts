import type { SimulatedBroker } from './cluster/broker.ts';
import type { Coordinators, Running } from './cluster/coordinators.ts';
import type { Follower } from './cluster/follower.ts';
import type { TreeClient } from './cluster/tree-client.ts';
import type { Chance } from './engine/chance.ts';
import { FaultClock } from './engine/fault-clock.ts';
import type { Process } from './engine/process.ts';
import type { Parts } from './parts.ts';
import type { FaultSwarm, Swarm } from './swarm.ts';

/** Whom faults may hit. */
export interface Victims {
  readonly coordinators: Coordinators;
  readonly brokers: readonly SimulatedBroker[];
  readonly followers: readonly Follower[];
  readonly treeClients: readonly TreeClient[];
}

/** The longest that nobody is active: a lease that ends late, a claim, and a copy that is a moment behind. */
const FAILOVER_MS_MAX = 4_000;
/** A change of the coordinator has been got over by then, also by clients that asked others first. */
const CHANGES_APART_MS = 10_000;

/** Breaks things, each kind at its own rate, until the run is to heal. */
export class Faults {
  readonly #parts: Parts<Swarm>;
  readonly #victims: Victims;
  readonly #chance: Chance;
  readonly #faults: FaultClock;

  constructor(parts: Parts<Swarm>, victims: Victims) {
    this.#parts = parts;
    this.#victims = victims;
    this.#chance = parts.chanceFor('faults');
    this.#faults = new FaultClock(parts.ground.scheduler, this.#chance);
    this.#faults.start(this.#kinds, parts.swarm.faults);
  }

  /** Faults so far. */
  get count(): number {
    return this.#faults.count;
  }

  /** No more faults; what is broken stays so. */
  stop(): void {
    this.#faults.stop();
  }

  /** Before this nothing more happens to coordinators that change one at a time. */
  #nextChangeMs = 0;

  readonly #kinds: Readonly<Record<keyof FaultSwarm, () => void>> = {
    changeCoordinatorMs: () => this.#change(),
    killCoordinatorMs: () => this.#coordinator()?.process.die('killed'),
    stopCoordinatorMs: () => {
      const one = this.#coordinator();
      if (one !== undefined) this.#victims.coordinators.stop(one);
    },
    pauseCoordinatorMs: () => {
      const process = this.#coordinator()?.process;
      if (process !== undefined) this.#pause(process, this.#chance.pick([3_000, 15_000]));
    },
    isolateFromStoreMs: () => {
      const process = this.#coordinator()?.process;
      if (process === undefined) return;
      this.#isolate(process);
    },
    storeDownMs: () => {
      const { store } = this.#parts;
      store.goDown({ endsLeases: this.#chance.happens(0.5) });
      this.#faults.later(this.#chance.pick([2_000, 10_000]), () => store.comeBack());
    },
    restartBrokerMs: () => {
      const broker = this.#chance.pick(this.#victims.brokers);
      const { otherDirectoryRate, doubtfulRate } = this.#parts.swarm;
      const isOtherDirectory = this.#chance.happens(otherDirectoryRate);
      broker.kill();
      this.#faults.later(10_000, () => {
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
      const { followers, brokers, treeClients, coordinators } = this.#victims;
      const clients = [...followers, ...brokers, ...treeClients].flatMap(({ process }) => process ?? []);
      const others = [...clients, ...coordinators.processes].filter((process) => process !== coordinator);
      if (coordinator === undefined) return;
      const cutOff = this.#chance.happens(0.3) ? others : [this.#chance.pick(others)];
      const way = this.#chance.pick(['there', 'back', 'both'] as const);
      for (const other of cutOff) this.#partition(other, coordinator, way);
    },
  };

  /** The one that has the office mostly, any of them sometimes. */
  #coordinator(): Running | undefined {
    const { seats } = this.#victims.coordinators;
    const { holder } = this.#parts.checks.writes;
    const active = seats.find(({ running }) => running !== undefined && running.process === holder)?.running;
    return this.#chance.happens(0.3) ? this.#chance.pick(seats).running : active;
  }

  #change(): void {
    const { coordinators } = this.#victims;
    const { nowMs } = this.#parts.ground.scheduler;
    const { holder } = this.#parts.checks.writes;
    const running = coordinators.seats.find((seat) => seat.running?.process === holder)?.running;
    if (nowMs < this.#nextChangeMs || running === undefined || coordinators.problem() !== undefined) return;
    this.#nextChangeMs = nowMs + CHANGES_APART_MS;
    const { process } = running;
    this.#parts.ground.scheduler.in(FAILOVER_MS_MAX, () => {
      const { length } = coordinators.active;
      if (length !== 1)
        this.#parts.ground.violated(`${length} are active ${FAILOVER_MS_MAX} ms after ${process.name} was not`);
    });
    // With three of them, one that stands by may be wrong about who is active.
    const others = coordinators.processes.filter((other) => other !== process);
    if (others.length > 1 && this.#chance.happens(0.3)) this.#isolate(this.#chance.pick(others));
    this.#chance.pick([
      () => process.die('killed'),
      () => coordinators.stop(running),
      () => this.#pause(process, this.#chance.pick([3_000, 10_000])),
      () => this.#isolate(process),
    ])();
  }

  #isolate(process: Process): void {
    this.#parts.store.isolate(process);
    this.#faults.later(this.#chance.pick([3_000, 10_000]), () => this.#parts.store.rejoin(process));
  }

  #pause(process: Process, maxMs: number): void {
    process.pause();
    this.#faults.later(maxMs, () => process.resume());
  }

  #partition(one: Process, other: Process, way: 'there' | 'back' | 'both'): void {
    const { network } = this.#parts;
    const ways = [
      ...(way === 'back' ? [] : [[one, other] as const]),
      ...(way === 'there' ? [] : [[other, one] as const]),
    ];
    for (const [from, to] of ways) {
      network.block(from, to);
      this.#faults.later(this.#chance.pick([9_000, 20_000]), () => network.unblock(from, to));
    }
  }
}
