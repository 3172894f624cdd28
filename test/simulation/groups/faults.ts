import type {
  CommitOffsetsRequest,
  JoinGroupResponse,
  SyncGroupResponse,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type { BrokerMachine } from '../brokers/machine.ts';
import type { BrokerSwarm } from '../brokers/swarm.ts';
import type { Chance } from '../engine/chance.ts';
import { FaultClock } from '../engine/fault-clock.ts';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Parts } from '../parts.ts';
import type { GroupAdministrator } from './administrator.ts';
import type { Seat } from './seat.ts';
import type { MemberFaultSwarm } from './swarm.ts';

/** Whom faults of groups may hit. */
export interface GroupVictims {
  readonly machines: readonly BrokerMachine[];
  readonly seats: readonly Seat[];
  readonly administrator: GroupAdministrator;
}

/** Somebody takes the place of a member that has ended: at once, within its session, or when that is over. */
const AWAY_MS = [100, 3_000, 12_000];
/** Shorter and longer than a session, and than a poll may take. */
const PAUSE_MS = [500, 3_000, 9_000, 15_000];
const CUT_OFF_MS = [500, 3_000, 9_000];
/** All have left a group, and nobody has come yet: for that, and for that again. */
const EMPTY_MS = 4_000;
/** A coordinator goes so soon after it has told a generation. */
const FAILOVER_MS_MAX = 20;
const BACK_MS = [20, 500, 8_000];
/** A commit or an assignment is held up for so long: within a try of it, or beyond that. */
const LATE_MS = [1_000, 4_000, 9_000];

/** Breaks members of groups, and whoever coordinates them at the moments that matter, until the run is to heal. */
export class GroupFaults implements NetworkWatcher {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #victims: GroupVictims;
  readonly #chance: Chance;
  readonly #faults: FaultClock;

  constructor(parts: Parts<BrokerSwarm>, victims: GroupVictims) {
    this.#parts = parts;
    this.#victims = victims;
    this.#chance = parts.chanceFor('faults of groups');
    this.#faults = new FaultClock(parts.ground.scheduler, this.#chance);
    this.#faults.start(this.#kinds, parts.swarm.groups.faults);
    parts.network.watch(this);
  }

  get count(): number {
    return this.#faults.count;
  }

  stop(): void {
    this.#faults.stop();
  }

  sent(wire: Wire, { side }: End, message: unknown): void {
    if (this.#faults.isOver) return;
    const { failoverRate, lateCommitRate, lateAssignmentRate } = this.#parts.swarm.groups.rebalances;
    if (side === 'client' && wire.path.endsWith('/CommitOffsets')) {
      if (this.#chance.happens(lateCommitRate)) this.#holdUp(wire, (message as CommitOffsetsRequest).groupId);
    } else if (side === 'server' && wire.path.endsWith('/JoinGroup')) {
      const isTold = (message as JoinGroupResponse).code === 'NONE';
      if (isTold && this.#chance.happens(failoverRate)) this.#failOver(wire.server.process);
    } else if (side === 'server' && wire.path.endsWith('/SyncGroup')) {
      const isTold = (message as SyncGroupResponse).code === 'NONE';
      if (!isTold || !this.#chance.happens(lateAssignmentRate)) return;
      this.#faults.met();
      this.#parts.network.holdUp(wire.lanes[1], this.#chance.pick(LATE_MS));
    }
  }

  received(): void {}

  over(): void {}

  readonly #kinds: Readonly<Record<keyof MemberFaultSwarm, () => void>> = {
    killMemberMs: () => this.#bounce(this.#seat(), (seat) => seat.kill()),
    stopMemberMs: () => this.#bounce(this.#seat(), (seat) => seat.stop()),
    pauseMemberMs: () => {
      const process = this.#seat().members.at(-1)?.process;
      if (process === undefined) return;
      process.pause();
      this.#faults.later(this.#chance.pick(PAUSE_MS), () => process.resume());
    },
    cutOffMemberMs: () => {
      const process = this.#seat().members.at(-1)?.process;
      const way = this.#chance.pick(['there', 'back', 'both'] as const);
      if (process !== undefined) this.#cutOff(process, way);
    },
    doubleMemberMs: () => {
      const seat = this.#seat();
      if (seat.isStatic) seat.double();
    },
    growTopicMs: () => void this.#victims.administrator.grow(),
    resetMs: () => this.#reset(this.#chance.pick(this.#parts.swarm.groups.groups).id),
  };

  #seat(): Seat {
    return this.#chance.pick(this.#victims.seats);
  }

  #seatsOf(groupId: string): readonly Seat[] {
    return this.#victims.seats.filter(({ group }) => group.id === groupId);
  }

  /** Somebody who is no member sets back what is committed: while there are members, and while there are none. */
  #reset(groupId: string): void {
    const { administrator } = this.#victims;
    if (this.#chance.happens(0.5)) return void administrator.reset(groupId);
    const seats = this.#seatsOf(groupId);
    for (const seat of seats) seat.stop();
    this.#faults.later(EMPTY_MS, () => {
      void administrator.reset(groupId);
      for (const seat of seats) this.#faults.later(EMPTY_MS, () => seat.start());
    });
  }

  /** Whoever is there goes, and somebody comes later; to a seat that nobody has, somebody comes. */
  #bounce(seat: Seat, end: (seat: Seat) => void): void {
    if (seat.members.length === 0) return seat.start();
    end(seat);
    this.#faults.later(this.#chance.pick(AWAY_MS), () => seat.start());
  }

  #cutOff(member: Process, way: 'there' | 'back' | 'both'): void {
    const { network } = this.#parts;
    const brokers = this.#victims.machines.flatMap((machine) => machine.process ?? []);
    const ways = brokers.flatMap((broker) => [
      ...(way === 'back' ? [] : [[member, broker] as const]),
      ...(way === 'there' ? [] : [[broker, member] as const]),
    ]);
    for (const [from, to] of ways) network.block(from, to);
    this.#faults.later(this.#chance.pick(CUT_OFF_MS), () => {
      for (const [from, to] of ways) network.unblock(from, to);
    });
  }

  /** A generation is committed and told, and nothing is assigned in it yet. */
  #failOver(coordinator: Process): void {
    this.#faults.met();
    const machine = this.#victims.machines.find(({ process }) => process === coordinator);
    this.#faults.later(FAILOVER_MS_MAX, () => {
      if (machine?.process !== coordinator) return;
      if (this.#chance.happens(0.3)) {
        coordinator.pause();
        this.#faults.later(this.#chance.pick(PAUSE_MS), () => coordinator.resume());
        return;
      }
      machine.kill('its group rebalances');
      this.#faults.later(this.#chance.pick(BACK_MS), () => machine.start());
    });
  }

  /** Of one generation a commit is sent, and in another one it arrives, where it is to be refused; or in the same, after later ones. */
  #holdUp(wire: Wire, groupId: string): void {
    this.#faults.met();
    this.#parts.network.holdUp(wire.lanes[0], this.#chance.pick(LATE_MS));
    if (this.#chance.happens(0.7)) this.#bounce(this.#chance.pick(this.#seatsOf(groupId)), (seat) => seat.stop());
  }
}
