import { SESSION_TIMEOUT_MS, REPLICA_LAG_TIME_MAX_MS } from '@weir/base/limits.ts';
import { folderOf } from '@weir/broker/partition/partition-key.ts';
import type { Stored } from '../checks/history.ts';
import type { Coordinators } from '../cluster/coordinators.ts';
import type { Chance } from '../engine/chance.ts';
import type { Parts } from '../parts.ts';
import type { BrokerMachine } from './machine.ts';
import { leastInSync } from './swarm.ts';
import type { BrokerSwarm } from './swarm.ts';

/** Late transactions are done by then, and connections that nobody answers are given up. */
export const CALM_MS = 15_000;
/**
 * Sessions that were spared once and registrations behind them, followers that are given up, replicas that catch up, and a moment
 * for each.
 */
export const CONVERGED_MS = 2 * SESSION_TIMEOUT_MS + REPLICA_LAG_TIME_MAX_MS + 15_000;

interface Member {
  readonly broker: number;
  readonly epoch: number;
}

/** What has to come to be once faults are over: a leader everywhere, and all replicas that are alive in sync. */
export class Liveness {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #coordinators: Coordinators;
  readonly #machines: readonly BrokerMachine[];
  #core: readonly BrokerMachine[];

  constructor(
    parts: Parts<BrokerSwarm>,
    options: { readonly coordinators: Coordinators; readonly machines: readonly BrokerMachine[] },
  ) {
    this.#parts = parts;
    this.#coordinators = options.coordinators;
    this.#machines = options.machines;
    const chance = parts.chanceFor('core');
    this.#core = chance.happens(0.5) ? options.machines : this.#smallCore(chance);
  }

  /** Those that are healed; the others stay as they are for good. */
  get core(): readonly BrokerMachine[] {
    return this.#core;
  }

  /** Brings back what is to be alive. The rest is paused, or stays away. */
  heal(): void {
    const { ground, network, store } = this.#parts;
    ground.trace.note(ground.scheduler.nowMs, `all heals but ${this.#machines.length - this.core.length} brokers`);
    network.heal();
    store.heal();
    for (const machine of this.#machines) {
      if (!this.core.includes(machine)) machine.process?.pause();
    }
    this.bringBack();
  }

  /** Starts what has ended meanwhile. */
  bringBack(): void {
    this.#core = this.#machines.filter((machine) => this.#core.includes(machine) || this.#isAwaited(machine));
    for (const seat of this.#coordinators.seats) {
      seat.running?.process.resume();
      this.#coordinators.start(seat);
    }
    for (const machine of this.core) {
      machine.heal();
      if (this.#isMissed(machine)) machine.kill('somebody wants its replicas back');
      machine.start();
      machine.process?.resume();
    }
  }

  /**
   * Partitions, by folder, that nobody may lead any more, as all who were in sync have lost their disks: they wait for an operator
   * (R9). A disk is lost only while others are in sync, which may leave before anybody notices the loss.
   */
  waiting(): ReadonlySet<string> {
    const waiting = new Set<string>();
    if (!this.#machines.some(({ hasLostDisk }) => hasLostDisk)) return waiting;
    for (const [topicId, index, { leader, isr, elr }] of this.#parts.history.partitions()) {
      if (leader === -1 && isr.length === 0 && elr.length === 0) waiting.add(`${topicId}-${index}`);
    }
    return waiting;
  }

  /** What is not well yet, or undefined. */
  missing(): string | undefined {
    const { history } = this.#parts;
    const problem = this.#coordinators.problem();
    if (problem !== undefined) return problem;
    const active = history.activeBrokers();
    const waiting = this.waiting();
    for (const { id, running } of this.core) {
      const epoch = running?.brokerEpoch;
      if (epoch === undefined || active.get(id) !== epoch) return `broker ${id} is not registered`;
    }
    for (const [topicId, index, { replicas, isr, leader }] of history.partitions()) {
      const folder = `${topicId}-${index}`;
      if (waiting.has(folder)) continue;
      const inSync = new Map((isr as Member[]).map(({ broker, epoch }) => [broker, epoch]));
      if (leader === -1) return `${folder} has no leader`;
      for (const machine of this.core) {
        const { id, running } = machine;
        if (!(replicas as number[]).includes(id) || this.#isExcused(machine, folder)) continue;
        if (inSync.get(id) !== running?.brokerEpoch) return `broker ${id} is not in sync in ${folder}`;
      }
      for (const broker of inSync.keys()) {
        if (!this.core.some(({ id }) => id === broker))
          return `broker ${broker}, which is gone, is in sync in ${folder}`;
      }
    }
    return undefined;
  }

  /**
   * A partition is led by nobody but one outside the core: a request of somebody who is gone was still under way, and has put that one
   * in sync.
   */
  #isAwaited({ id }: BrokerMachine): boolean {
    for (const [, , partition] of this.#parts.history.partitions()) {
      if (partition['leader'] === -1 && neededOf(partition).some(({ broker }) => broker === id)) return true;
    }
    return false;
  }

  /** A partition cannot do without a replica that the broker has taken out of service: that is for an operator to mend. */
  #isMissed(machine: BrokerMachine): boolean {
    const { history, swarm } = this.#parts;
    const least = leastInSync(swarm);
    for (const [topicId, index, { replicas, isr }] of history.partitions()) {
      const folder = `${topicId}-${index}`;
      if (!this.#isOffline(machine, folder)) continue;
      const others = this.core.filter(({ id }) => id !== machine.id && (replicas as number[]).includes(id));
      const whole = others.filter((other) => !this.#isOffline(other, folder));
      const isLast = (isr as Member[]).every(({ broker }) => broker === machine.id);
      if (isLast || whole.length < Math.min(least, replicas.length)) return true;
    }
    return false;
  }

  /** One that is out of service until its broker starts again. What is damaged heals by itself. */
  #isExcused(machine: BrokerMachine, folder: string): boolean {
    const doubtful = machine.broker?.partitions.doubtful() ?? [];
    return this.#isOffline(machine, folder) && !doubtful.some(({ key }) => folderOf(key) === folder);
  }

  /** A replica that its own broker has taken out of service. */
  #isOffline({ broker }: BrokerMachine, folder: string): boolean {
    for (const partition of broker?.partitions.all() ?? []) {
      if (partition.folder === folder) return partition.state.kind === 'offline';
    }
    return false;
  }

  /**
   * As few as possible, by chance: all that are in sync or eligible anywhere, or led last and are elected should those turn out not to
   * be, as the others may be gone for good; and enough replicas of every partition.
   */
  #smallCore(chance: Chance): readonly BrokerMachine[] {
    let core = this.#machines;
    for (const machine of this.#machines) {
      const without = core.filter((other) => other !== machine);
      if (chance.happens(0.7) && this.#isEnough(without)) core = without;
    }
    return core;
  }

  #isEnough(core: readonly BrokerMachine[]): boolean {
    const { history, swarm } = this.#parts;
    const ids = new Set(core.map(({ id }) => id));
    const least = leastInSync(swarm);
    for (const [, , partition] of history.partitions()) {
      const replicas = partition['replicas'] as readonly number[];
      const alive = replicas.filter((id) => ids.has(id)).length;
      const hasNeeded = neededOf(partition).every(({ broker }) => ids.has(broker));
      if (!hasNeeded || alive < Math.min(least, replicas.length)) return false;
    }
    return true;
  }
}

/** Who may lead it, or may turn out to be the only one who may. */
function neededOf({ isr, elr, lastKnownElr }: Stored): readonly Pick<Member, 'broker'>[] {
  return [...(isr as Member[]), ...(elr as Member[]), ...(lastKnownElr as Member[])];
}
