import { Sometimes } from '../sometimes.ts';
import type { StoreSwarm } from '../swarm.ts';
import { Chance } from './chance.ts';
import { Process } from './process.ts';
import type { Ground } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedStore } from './store.ts';
import type { AppliedTxn } from './store.ts';
import { Trace } from './trace.ts';

const FAULTLESS: StoreSwarm = {
  delayMaxMs: 1,
  slowRate: 0,
  answerLostRate: 0,
  requestLostRate: 0,
  lateRate: 0,
  leaseLateMaxMs: 0,
  leaderChangeMs: 0,
  compactMs: 0,
  watchStallRate: 0,
  watchFaultRate: 0,
  watchRepeatRate: 0,
};

/** A simulated store alone, for its own tests: without faults, until a test sets a rate. */
export class StoreRig {
  readonly rates: { -readonly [Rate in keyof StoreSwarm]: StoreSwarm[Rate] };
  readonly scheduler: Scheduler;
  readonly sometimes = new Sometimes();
  readonly trace = new Trace();
  readonly store: SimulatedStore;
  /** Everything that was done, with the time at which it was. */
  readonly applied: (AppliedTxn & { readonly atMs: number })[] = [];
  readonly violations: string[] = [];
  readonly #ground: Ground;

  constructor(rates: Partial<StoreSwarm> = {}, seed = 1) {
    this.rates = { ...FAULTLESS, ...rates };
    const chanceFor = (name: string): Chance => new Chance(seed, name);
    this.scheduler = new Scheduler(chanceFor('order'));
    this.#ground = {
      scheduler: this.scheduler,
      trace: this.trace,
      chance: chanceFor('timers'),
      violated: (what) => this.violations.push(what),
    };
    this.store = new SimulatedStore({
      ground: this.#ground,
      chanceFor,
      swarm: this.rates,
      sometimes: this.sometimes,
      applied: (txn) => this.applied.push({ ...txn, atMs: this.scheduler.nowMs }),
    });
  }

  process(name: string): Process {
    return new Process(name, this.#ground);
  }

  async pass(ms: number): Promise<void> {
    await this.scheduler.runUntil(this.scheduler.nowMs + ms, () => false);
  }

  /** Lets time pass until there is an answer. */
  async answer<T>(asked: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    asked.then(settled, settled);
    await this.scheduler.runUntil(this.scheduler.nowMs + 60_000, () => isSettled);
    return asked;
  }
}
