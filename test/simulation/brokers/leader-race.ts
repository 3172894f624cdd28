import { partitionKey } from '../checks/history.ts';
import type { Chance } from '../engine/chance.ts';
import type { FaultClock } from '../engine/fault-clock.ts';
import type { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import type { BrokerMachine } from './machine.ts';
import type { BrokerSwarm } from './swarm.ts';

/** Leaders that go. */
const LEADERS_MAX = 4;
/** A leader takes what its clients send for so long, and goes. */
const LEADS_MS_MAX = 2_000;
/** It is back before anybody has noticed, and in sync as before. */
const BACK_MS_MAX = 20;

/**
 * Leaders of one partition that follow each other fast, with none hearing of what the others take: each has a tail of an epoch that
 * nobody else has, and some lead again before they have heard of the epoch in between. That is why logs are compared by epochs, and
 * faults that come at any time hardly ever make such logs.
 */
export class LeaderRace {
  readonly #parts: Parts<BrokerSwarm>;
  readonly #machines: readonly BrokerMachine[];
  readonly #clock: FaultClock;
  readonly #chance: Chance;
  #ways: (readonly [from: Process, to: Process])[] = [];

  /** @param clock - when faults are over, these are */
  constructor(parts: Parts<BrokerSwarm>, machines: readonly BrokerMachine[], clock: FaultClock) {
    this.#parts = parts;
    this.#machines = machines;
    this.#clock = clock;
    this.#chance = parts.chanceFor('leader races');
  }

  /** One at a time. */
  begin(): void {
    if (this.#ways.length > 0) return;
    const several = [...this.#parts.history.partitions()].filter(([, , { isr }]) => isr.length > 1);
    if (several.length === 0) return;
    const [topicId, index] = this.#chance.pick(several);
    this.#lead(partitionKey(topicId, index), this.#chance.whole(1, LEADERS_MAX));
  }

  #lead(key: string, left: number): void {
    const { history } = this.#parts;
    const replicas = (history.now(key)?.['replicas'] ?? []) as readonly number[];
    this.#cutApart(replicas.flatMap((id) => this.#machines[id - 1]!.process ?? []));
    this.#clock.later(LEADS_MS_MAX, () => {
      const leader = this.#machines[(history.now(key)?.['leader'] as number) - 1];
      if (left === 0 || leader === undefined) return this.#end();
      leader.kill('another one is to lead');
      this.#clock.later(BACK_MS_MAX, () => {
        leader.start();
        this.#lead(key, left - 1);
      });
    });
  }

  #cutApart(processes: readonly Process[]): void {
    for (const from of processes) {
      for (const to of processes) {
        if (from === to) continue;
        this.#parts.network.block(from, to);
        this.#ways.push([from, to]);
      }
    }
  }

  #end(): void {
    for (const [from, to] of this.#ways) this.#parts.network.unblock(from, to);
    this.#ways = [];
  }
}
