import { messageOf } from '@weir/base/errors.ts';
import { activate } from '@weir/coordinator/activate.ts';
import type { Coordinator } from '@weir/coordinator/coordinator.ts';
import { coordinatorHandlers } from '@weir/coordinator/rpc/handlers.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { simulatedWorld } from './world.ts';
import type { LogLine } from './world.ts';

/** Coordinator processes that live at a time, at most. */
const LIVING_MAX = 3;

/** One coordinator process: it takes over when it starts, and dies when it finds out that it was deposed. */
export interface CoordinatorProcess {
  readonly process: Process;
  /** Where others look for it; one that was started there later takes the place. */
  readonly address: string;
  /** Once it has taken over. */
  coordinator: Coordinator | undefined;
}

/**
 * The coordinators, with whoever starts them again: the one that was started last is meant to be active, and when it dies
 * another one is started. Its predecessors may live on and not know.
 */
export class Coordinators {
  readonly addresses: readonly string[];
  readonly #parts: Parts;
  #living: CoordinatorProcess[] = [];
  #count = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.addresses = Array.from({ length: parts.swarm.coordinators }, (_, i) => `coordinator-${i}:7070`);
  }

  /** Alive, paused ones included, the newest last. */
  get living(): readonly CoordinatorProcess[] {
    return this.#living;
  }

  get newest(): CoordinatorProcess | undefined {
    return this.#living.at(-1);
  }

  /** Starts one, whoever else lives. */
  start(): void {
    const { ground, chance } = this.#parts;
    if (this.#living.length >= LIVING_MAX) this.#living[0]!.process.die('room is needed');
    const process = new Process(`coordinator ${++this.#count}`, ground);
    const free = this.addresses.filter((address) => this.#living.every((one) => one.address !== address));
    const address = chance.pick(free.length > 0 && chance.happens(0.7) ? free : this.addresses);
    const one: CoordinatorProcess = { process, address, coordinator: undefined };
    this.#living.push(one);
    if (this.#living.length > 1) this.#parts.sometimes.saw('two coordinators lived at a time');
    process.whenDead(() => this.#died(one));
    process.deliver(() => void this.#run(one));
  }

  /** Lets one end as it does when it is told to. */
  stop({ process, coordinator }: CoordinatorProcess): void {
    if (coordinator === undefined) return process.die('stopped before it was active');
    process.deliver(() => void coordinator.stop().then(() => process.die('stopped')));
  }

  async #run(one: CoordinatorProcess): Promise<void> {
    const { network, store, swarm, sometimes, checks } = this.#parts;
    const { process, address } = one;
    const world = simulatedWorld(process, {
      network,
      chance: this.#parts.chanceFor(process.name),
      logged: (line) => this.#logged(process, line),
      fatal: (error) => this.#fatal(process, error),
    });
    const policy = {
      autoCreateTopics: false,
      defaultPartitions: 1,
      replicationFactorMax: swarm.replicationFactorMax,
    };
    try {
      const coordinatorId = Number(process.name.split(' ')[1]);
      const coordinator = await activate({ store: store.clientOf(process), coordinatorId, policy }, world);
      one.coordinator = coordinator;
      checks.writes.tookOver(process);
      await world.transport.listen(address, coordinatorHandlers(coordinator, world));
    } catch (error) {
      sometimes.saw('a take-over failed');
      const isExpected = error instanceof Error && (error.name === 'StoreFault' || /took? over/.test(error.message));
      if (!isExpected) this.#parts.ground.violated(`${process.name} cannot start: ${messageOf(error)}`);
      process.die(messageOf(error));
    }
  }

  #logged(process: Process, { facts, message }: LogLine): void {
    if (message.startsWith('the session of broker')) {
      this.#parts.checks.sessions.decided(process, String(facts['sessionId']));
    }
    if (Number(facts['orphansRemoved'] ?? 0) > 0) {
      this.#parts.sometimes.saw('a take-over found what its predecessor had left half done');
    }
  }

  #fatal(process: Process, error: Error): void {
    const isDeposed = error.message.includes('no longer active');
    if (!isDeposed) this.#parts.ground.violated(`${process.name} ends: ${error.stack ?? error.message}`);
    else if (this.#parts.checks.writes.holder === process) {
      this.#parts.ground.violated(`${process.name} takes itself for deposed, and is not`);
    } else this.#parts.sometimes.saw('a coordinator found itself deposed');
    process.die(error.message);
  }

  #died(one: CoordinatorProcess): void {
    const { network, ground, chance } = this.#parts;
    const wasNewest = this.newest === one;
    this.#living = this.#living.filter((other) => other !== one);
    network.died(one.process);
    if (!wasNewest) return;
    const successor = this.newest;
    ground.scheduler.in(chance.between(10, 3_000), () => {
      if (this.newest === successor) this.start();
    });
  }
}
