import { FaultClock } from '../engine/fault-clock.ts';
import type { Chance } from '../engine/chance.ts';
import type { Process } from '../engine/process.ts';
import type { Coordinators } from '../cluster/coordinators.ts';
import type { Parts } from '../parts.ts';
import { canSpare } from './disk-budget.ts';
import { JoinFaults } from './join-faults.ts';
import { LeaderRace } from './leader-race.ts';
import type { BrokerMachine } from './machine.ts';
import type { BrokerFaultSwarm, BrokerSwarm } from './swarm.ts';

/** Whom faults may hit. */
export interface BrokerVictims {
  readonly coordinators: Coordinators;
  readonly machines: readonly BrokerMachine[];
  /** Of clients. */
  readonly clients: readonly { readonly process: Process }[];
  /** Has somebody read everything from its start on. */
  readonly readAll: () => void;
}

/** A process that ended is started again after so long: at once, after a session's time, or much later. */
const AWAY_MS = [100, 2_000, 8_000, 15_000];
const BOUNCE_MS = 20;
/** Longer, and shorter, than a session. */
const PAUSE_MS = [500, 3_000, 12_000];
const PARTITION_MS = [1_000, 8_000, 20_000];
/** A disk syncs nothing for so long before the power goes. */
const TAIL_MS_MAX = 2_000;
/** The power goes within so many changes of the disk. */
const MUTATIONS_MAX = 30;

/** Breaks brokers, their disks and what lies between them, each kind at its own rate, until the run is to heal. */
export class BrokerFaults {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #victims: BrokerVictims;
  readonly #chance: Chance;
  readonly #faults: FaultClock;
  readonly #race: LeaderRace;

  constructor(parts: Parts<BrokerSwarm>, victims: BrokerVictims) {
    this.#parts = parts;
    this.#victims = victims;
    this.#chance = parts.chanceFor('faults');
    this.#faults = new FaultClock(parts.ground.scheduler, this.#chance);
    this.#race = new LeaderRace(parts, victims.machines, this.#faults);
    this.#faults.start(this.#kinds, parts.swarm.faults);
    parts.network.watch(new JoinFaults(parts, victims, this.#faults));
  }

  get count(): number {
    return this.#faults.count;
  }

  /** No more faults; what is broken stays so, and what has ended is not started. */
  stop(): void {
    this.#faults.stop();
  }

  /** A broker's process has ended: somebody starts it again. */
  ended(machine: BrokerMachine): void {
    this.#faults.later(this.#chance.pick(AWAY_MS), () => machine.start());
  }

  readonly #kinds: Readonly<Record<keyof BrokerFaultSwarm, () => void>> = {
    killBrokerMs: () => this.#machine().kill(),
    bounceBrokerMs: () => {
      const machine = this.#machine();
      machine.kill('bounced');
      this.#faults.later(BOUNCE_MS, () => machine.start());
    },
    cutPowerMs: () => this.#cutPower(this.#machine()),
    stopBrokerMs: () => this.#machine().stop(),
    pauseBrokerMs: () => {
      const { process } = this.#machine();
      if (process !== undefined) this.#pause(process);
    },
    killAllMs: () => {
      for (const machine of this.#victims.machines) machine.kill();
    },
    cutAllPowerMs: () => {
      for (const machine of this.#victims.machines) machine.cutPower();
    },
    failSyncMs: () => this.#machine().failNextSync(),
    failWriteMs: () => this.#machine().failNextWrite(),
    fillDiskMs: () => {
      const machine = this.#machine();
      machine.fill(this.#chance.pick([0, 50_000, 2_500_000]));
      this.#faults.later(10_000, () => machine.empty());
    },
    stallDiskMs: () => this.#machine().stall(this.#chance.pick([300, 3_000, 8_000])),
    loseTailMs: () => {
      const machine = this.#machine();
      machine.stall(TAIL_MS_MAX);
      this.#faults.later(TAIL_MS_MAX, () => {
        machine.cutPower();
        this.#faults.later(BOUNCE_MS, () => machine.start());
      });
    },
    wipeDiskMs: () => {
      const machine = this.#machine();
      if (this.#canSpare(machine)) machine.wipe();
    },
    rotDiskMs: () => {
      const machine = this.#machine();
      machine.rot((only) => this.#canSpare(machine, only));
    },
    rotAsItRunsMs: () => {
      const machine = this.#machine();
      machine.rotAsItRuns((only) => this.#canSpare(machine, only));
      this.#victims.readAll();
    },
    loseReplicaMs: () => {
      const machine = this.#machine();
      const folders = machine.folders.filter((folder) => this.#canSpare(machine, folder));
      if (folders.length === 0) return;
      machine.loseReplica(this.#chance.pick(folders));
      if (this.#chance.happens(0.5)) this.#faults.later(BOUNCE_MS, () => machine.start());
    },
    restoreDiskMs: () => {
      const machine = this.#machine();
      if (!this.#canSpare(machine) || !machine.restore()) return;
      this.#parts.sometimes.saw('a disk was replaced by an older copy of it');
      // It is first, and all that it is measured by is what it says of itself.
      if (this.#chance.happens(0.5)) for (const other of this.#victims.machines) other.kill();
      if (this.#chance.happens(0.7)) this.#faults.later(BOUNCE_MS, () => machine.start());
    },
    raceLeadersMs: () => this.#race.begin(),
    partitionMs: () => {
      const [one, other] = [this.#anybody(), this.#anybody()];
      if (one !== undefined && other !== undefined) this.#partition(one, other);
    },
    isolateBrokerMs: () => {
      const { process } = this.#machine();
      const { machines, coordinators } = this.#victims;
      const others = [...machines.flatMap((machine) => machine.process ?? []), ...coordinators.processes];
      const withCoordinators = this.#chance.happens(0.5);
      for (const other of others) {
        if (process === undefined || other === process) continue;
        if (withCoordinators || !coordinators.processes.includes(other)) this.#partition(process, other);
      }
    },
    breakConnectionsMs: () => this.#parts.network.breakSome(),
    killCoordinatorMs: () => this.#coordinator()?.die('killed'),
    pauseCoordinatorMs: () => {
      const process = this.#coordinator();
      if (process !== undefined) this.#pause(process);
    },
    storeDownMs: () => {
      const { store } = this.#parts;
      store.goDown({ endsLeases: this.#chance.happens(0.5) });
      this.#faults.later(5_000, () => store.comeBack());
    },
  };

  #machine(): BrokerMachine {
    return this.#chance.pick(this.#victims.machines);
  }

  /** @param only - the folder of the one replica that is to be lost; else the disk is */
  #canSpare(machine: BrokerMachine, only?: string): boolean {
    const { history, swarm } = this.#parts;
    return canSpare(history, swarm, this.#victims.machines, { machine, ...(only === undefined ? {} : { only }) });
  }

  #coordinator(): Process | undefined {
    const { processes } = this.#victims.coordinators;
    return processes.length === 0 ? undefined : this.#chance.pick(processes);
  }

  /** Brokers mostly. */
  #anybody(): Process | undefined {
    if (this.#chance.happens(0.7)) return this.#machine().process;
    return this.#chance.happens(0.5) ? this.#coordinator() : this.#chance.pick(this.#victims.clients).process;
  }

  #cutPower(machine: BrokerMachine): void {
    if (this.#chance.happens(0.5)) machine.cutPower();
    else machine.cutPower(this.#chance.whole(0, MUTATIONS_MAX));
  }

  #pause(process: Process): void {
    process.pause();
    this.#faults.later(this.#chance.pick(PAUSE_MS), () => process.resume());
  }

  /** In one direction or in both. */
  #partition(one: Process, other: Process): void {
    if (one === other) return;
    const { network } = this.#parts;
    const way = this.#chance.pick(['there', 'back', 'both'] as const);
    const ways = [
      ...(way === 'back' ? [] : [[one, other] as const]),
      ...(way === 'there' ? [] : [[other, one] as const]),
    ];
    const forMs = this.#chance.pick(PARTITION_MS);
    for (const [from, to] of ways) {
      network.block(from, to);
      this.#faults.later(forMs, () => network.unblock(from, to));
    }
  }
}
