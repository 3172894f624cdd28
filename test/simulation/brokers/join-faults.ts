import { uuidFromBytes } from '@weir/base/ids.ts';
import type { AlterIsrRequest } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { partitionKey } from '../checks/history.ts';
import type { Coordinators } from '../cluster/coordinators.ts';
import type { Chance } from '../engine/chance.ts';
import type { FaultClock } from '../engine/fault-clock.ts';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Parts } from '../parts.ts';
import { canSpare } from './disk-budget.ts';
import type { BrokerMachine } from './machine.ts';
import type { BrokerSwarm } from './swarm.ts';

/** A request is held up for less than its leader's session takes to end. */
const LATE_MS_MAX = 5_000;
/** A newcomer is back so soon that it is registered anew before the request arrives. */
const BACK_MS_MAX = 100;
/** A leader does not hear whether somebody joined: for a moment, or until its session has ended. */
const UNTOLD_MS = [1_000, 4_000, 8_000];

/** Who is asked for and not in sync. */
interface Newcomer {
  readonly machine: BrokerMachine;
  /** Of its replica. */
  readonly folder: string;
}

/**
 * Faults at the moments in which a leader asks for one more in-sync replica. What may go wrong there needs two or three things within
 * a second or two: faults that come at any time hardly ever meet it.
 */
export class JoinFaults implements NetworkWatcher {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #victims: { readonly coordinators: Coordinators; readonly machines: readonly BrokerMachine[] };
  readonly #clock: FaultClock;
  readonly #chance: Chance;

  /** @param clock - when faults are over, these are */
  constructor(
    parts: Parts<BrokerSwarm>,
    victims: { readonly coordinators: Coordinators; readonly machines: readonly BrokerMachine[] },
    clock: FaultClock,
  ) {
    this.#parts = parts;
    this.#victims = victims;
    this.#clock = clock;
    this.#chance = parts.chanceFor('faults of joining');
  }

  sent({ path, client }: Wire, { side }: End, message: unknown): void {
    if (side !== 'client' || !path.endsWith('/AlterIsr')) return;
    const newcomer = this.#newcomerOf(message as AlterIsrRequest);
    if (newcomer === undefined || !this.#happens('lateRate')) return;
    this.#clock.later(0, () => this.#loseReplica(client.process, newcomer));
  }

  received(wire: Wire, { side }: End, message: unknown): void {
    if (side !== 'server' || !wire.path.endsWith('/AlterIsr')) return;
    const newcomer = this.#newcomerOf(message as AlterIsrRequest);
    if (newcomer !== undefined && this.#happens('untoldRate')) this.#leaveUntold(wire, newcomer);
  }

  over(): void {}

  #happens(rate: keyof BrokerSwarm['joins']): boolean {
    return !this.#clock.isOver && this.#chance.happens(this.#parts.swarm.joins[rate]);
  }

  /** The request is under way for seconds. When it arrives, who was to join is there without its replica, under another registration. */
  #loseReplica(leader: Process, { machine, folder }: Newcomer): void {
    const { history, swarm } = this.#parts;
    if (!canSpare(history, swarm, this.#victims.machines, { machine, only: folder })) return;
    this.#clock.met();
    this.#cutOff(leader, this.#victims.coordinators.processes, LATE_MS_MAX);
    machine.loseReplica(folder);
    this.#clock.later(BACK_MS_MAX, () => machine.start());
  }

  /** What is asked for is done, and the leader is not told; nor does it hear of who has joined, which others might elect. */
  #leaveUntold(wire: Wire, { machine: newcomer }: Newcomer): void {
    const { process } = wire.client;
    this.#clock.met();
    this.#parts.sometimes.saw('a leader was not told that a replica had joined');
    // First: who cannot be reached is not told of a connection that broke either.
    wire.cut('connection reset');
    const others = [
      ...this.#victims.coordinators.processes,
      ...(newcomer.process === undefined ? [] : [newcomer.process]),
    ];
    this.#cutOff(process, others, this.#chance.pick(UNTOLD_MS));
  }

  #cutOff(one: Process, others: readonly Process[], maxMs: number): void {
    const { network } = this.#parts;
    const ways = others.flatMap((other) => [[one, other] as const, [other, one] as const]);
    for (const [from, to] of ways) network.block(from, to);
    this.#clock.later(maxMs, () => {
      for (const [from, to] of ways) network.unblock(from, to);
    });
  }

  /** The first of them. */
  #newcomerOf({ partitions }: AlterIsrRequest): Newcomer | undefined {
    const { history } = this.#parts;
    for (const { topicId, partition, isr } of partitions) {
      const topic = uuidFromBytes(topicId);
      const stored = history.now(partitionKey(topic, partition));
      const present = new Set((stored?.['isr'] as { broker: number }[] | undefined)?.map(({ broker }) => broker));
      const newcomer = isr.find(({ brokerId }) => !present.has(brokerId));
      const machine = newcomer === undefined ? undefined : this.#victims.machines[newcomer.brokerId - 1];
      if (machine !== undefined) return { machine, folder: `${topic}-${partition}` };
    }
    return undefined;
  }
}
