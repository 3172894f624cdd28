import type { Chance } from './chance.ts';
import type { Scheduler } from './scheduler.ts';

/** When faults come: each kind at its own rate, until the run is to heal. */
export class FaultClock {
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  #count = 0;
  #isOver = false;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.#scheduler = scheduler;
    this.#chance = chance;
  }

  /** Faults so far. */
  get count(): number {
    return this.#count;
  }

  /** No more of them come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** One has come that no rate of time has brought. */
  met(): void {
    this.#count++;
  }

  /** @param everyMs - from one of a kind to the next, on average; 0 for never */
  start<Kind extends string>(
    kinds: Readonly<Record<Kind, () => void>>,
    everyMs: Readonly<Record<NoInfer<Kind>, number>>,
  ): void {
    for (const kind of Object.keys(kinds) as Kind[]) this.#next(kinds[kind], everyMs[kind]);
  }

  /** No more faults; what is broken stays so. */
  stop(): void {
    this.#isOver = true;
  }

  /** Sometime within that time, unless faults are over then. */
  later(maxMs: number, run: () => void): void {
    this.#scheduler.in(this.#chance.between(0, maxMs), () => {
      if (!this.#isOver) run();
    });
  }

  #next(act: () => void, everyMs: number): void {
    if (everyMs === 0) return;
    this.later(2 * everyMs, () => {
      this.#count++;
      act();
      this.#next(act, everyMs);
    });
  }
}
