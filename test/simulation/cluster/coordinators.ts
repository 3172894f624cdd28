import { messageOf, refusal } from '@weir/base/errors.ts';
import { STOP_GRACE_MS } from '@weir/base/limits.ts';
import { Candidate } from '@weir/coordinator/election/candidate.ts';
import { coordinatorMetrics } from '@weir/coordinator/metrics.ts';
import { coordinatorHandlers } from '@weir/coordinator/rpc/handlers.ts';
import type { Office } from '@weir/coordinator/rpc/office.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { simulatedWorld } from './world.ts';
import type { LogLine } from './world.ts';

/** How long a dead coordinator stays away: started again at once, after a look at it, or on another machine. */
const AWAY_MS = [100, 3_000, 10_000];
/** Every so often what each of them knows is compared with the store. */
const COMPARED_EVERY_MS = 3_000;

/** A process that runs at a coordinator's address. */
export interface Running {
  readonly process: Process;
  /** Once it has begun. */
  candidate: Candidate | undefined;
  /** Ends it as it ends when it is told to. */
  stop: () => Promise<void>;
  /** Whether it has stood by since it started, or since it was the active one. */
  hasStoodBy: boolean;
}

/** One of the coordinators: an address, with a number, at which one process runs at a time. */
export interface Seat {
  readonly id: number;
  readonly address: string;
  running: Running | undefined;
}

/**
 * The coordinators, each at an address of its own, where it is started again when it is dead. Who of them is active is their
 * own business.
 */
export class Coordinators {
  readonly seats: readonly Seat[];
  readonly #parts: Parts;
  #starts = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.seats = Array.from({ length: parts.swarm.coordinators }, (_, i) => ({
      id: i + 1,
      address: `coordinator-${i + 1}:7070`,
      running: undefined,
    }));
    for (const seat of this.seats) this.start(seat);
    this.#compareAgain();
  }

  get addresses(): readonly string[] {
    return this.seats.map(({ address }) => address);
  }

  /** Alive, paused ones included. */
  get processes(): readonly Process[] {
    return this.seats.flatMap(({ running }) => running?.process ?? []);
  }

  /** Those that would answer a client now, if they are not paused. */
  get active(): readonly Process[] {
    return this.seats.flatMap(({ running }) => (running?.candidate?.active === undefined ? [] : running.process));
  }

  /** Starts the process of a seat that has none. */
  start(seat: Seat): void {
    if (seat.running !== undefined) return;
    const process = new Process(`coordinator ${seat.id}.${++this.#starts}`, this.#parts.ground);
    const running: Running = {
      process,
      candidate: undefined,
      stop: async () => process.die('stopped before it had begun'),
      hasStoodBy: false,
    };
    seat.running = running;
    process.whenDead(() => this.#died(seat));
    process.deliver(() => void this.#run(seat, running));
  }

  /** Lets one end as it does when it is told to. */
  stop({ process, stop }: Running): void {
    process.deliver(() => void stop());
  }

  /** Why it is not so that one is active and each of the others could be at once; undefined when it is. */
  problem(): string | undefined {
    const { active } = this;
    if (active.length !== 1) return `${active.length} coordinators are active`;
    for (const { address, running } of this.seats) {
      if (running?.process.state !== 'runs') return `the coordinator at ${address} does not run`;
      const problem = running.candidate === undefined ? 'it begins' : running.candidate.notReady();
      if (problem !== undefined) return `the coordinator at ${address} is not ready: ${problem}`;
      const known = running.candidate?.image?.revision ?? 0;
      const { revision } = this.#parts.history;
      if (running.process !== active[0] && known < revision) {
        return `the standby at ${address} is at revision ${known}, the store at ${revision}`;
      }
    }
    return undefined;
  }

  /** Compares what all of them know with the store. */
  compare(): void {
    for (const { running } of this.seats) if (running !== undefined) this.#compare(running);
  }

  /** As `start.ts` puts them together. */
  async #run({ id, address }: Seat, running: Running): Promise<void> {
    const { network, store, ground } = this.#parts;
    const { process } = running;
    const world = simulatedWorld(process, {
      network,
      chance: this.#parts.chanceFor(process.name),
      logged: (line) => this.#logged(running, line),
      fatal: (error) => {
        ground.violated(`${process.name} ends: ${error.stack ?? error.message}`);
        process.die(error.message);
      },
    });
    const { offsetsTopic } = this.#parts.swarm;
    const policy = {
      autoCreateTopics: false,
      defaultPartitions: 1,
      ...(offsetsTopic === undefined ? {} : { offsetsTopic }),
    };
    const metrics = coordinatorMetrics(world.registry, () => running.candidate);
    const office: Office = {
      get active() {
        return running.candidate?.active;
      },
      notActive: () =>
        running.candidate?.notActive() ?? { ...refusal('NOT_CONTROLLER', 'it starts'), activeAddress: '' },
    };
    const listener = await world.transport.listen(address, coordinatorHandlers(office, world));
    const options = { store: store.clientOf(process), isShared: true, coordinatorId: id, address, policy };
    const candidate = new Candidate(options, world, metrics);
    running.candidate = candidate;
    running.stop = async () => {
      await candidate.stop();
      await listener.close(STOP_GRACE_MS);
      await options.store.close();
      process.die('stopped');
    };
    try {
      await candidate.start();
    } catch (error) {
      ground.violated(`${process.name} cannot start: ${messageOf(error)}`);
    }
  }

  #logged(running: Running, { facts, message }: LogLine): void {
    const { sometimes } = this.#parts;
    if (message.startsWith('the session of broker')) this.#endsSession(running, String(facts['sessionId']));
    else if (message.startsWith('stands by for')) this.#standsBy(running);
    else if (message.startsWith('active for cluster')) this.#tookOver(running, Number(facts['claim']));
    else if (message.startsWith('deposed')) this.#deposed(running);
    else if (message.endsWith('nobody listens there')) sometimes.saw('a standby knew that the active one was dead');
    else if (message.includes('makes no sense to it'))
      this.#parts.ground.violated(`${running.process.name}: ${message}`);
    else if (message.startsWith('the copy of the metadata is loaded anew')) sometimes.saw('a copy was lost');
    else if (message.endsWith('it is read anew')) this.#readsAnew(running);
    else if (message.startsWith('no claim could be made')) sometimes.saw('a claim could not be made');
    if (Number(facts['orphansRemoved'] ?? 0) > 0) {
      sometimes.saw('a take-over found what its predecessor had left half done');
    }
  }

  #endsSession({ process, candidate }: Running, sessionId: string): void {
    const { ground, swarm } = this.#parts;
    if (candidate?.active === undefined)
      ground.violated(`${process.name} ends session ${sessionId}, and is not active`);
    if (swarm.isOrderly) ground.violated(`${process.name} ends session ${sessionId}, and all went well with it`);
    this.#parts.checks.sessions.decided(process, sessionId);
  }

  #deposed({ process, candidate }: Running): void {
    this.#parts.sometimes.saw('a coordinator found itself deposed');
    if (candidate?.active !== undefined && this.#parts.checks.writes.holder === process) {
      this.#parts.ground.violated(`${process.name} takes itself for deposed, and is not`);
    }
  }

  #readsAnew(running: Running): void {
    running.hasStoodBy = false;
    this.#parts.sometimes.saw('a copy was too far behind to take over with');
  }

  #standsBy(running: Running): void {
    running.hasStoodBy = true;
    this.#compare(running);
  }

  #tookOver(running: Running, claimRevision: number): void {
    const { checks, sometimes, ground } = this.#parts;
    const { process, candidate, hasStoodBy } = running;
    checks.writes.tookOver(process);
    if (hasStoodBy) sometimes.saw('a standby took over with the copy that it had');
    running.hasStoodBy = false;
    const revision = candidate?.image?.revision ?? 0;
    if (revision < claimRevision) {
      ground.violated(`${process.name} took over at revision ${revision}, before its claim at ${claimRevision}`);
    }
    this.#compare(running);
  }

  #compare({ process, candidate }: Running): void {
    if (candidate?.image !== undefined) this.#parts.checks.copies.whole(process.name, candidate.image);
  }

  #compareAgain(): void {
    this.#parts.ground.scheduler.in(COMPARED_EVERY_MS, () => {
      this.compare();
      this.#compareAgain();
    });
  }

  #died(seat: Seat): void {
    const { network, ground, chance } = this.#parts;
    network.died(seat.running!.process);
    seat.running = undefined;
    ground.scheduler.in(chance.between(10, chance.pick(AWAY_MS)), () => this.start(seat));
  }
}
