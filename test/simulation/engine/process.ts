import type { Cancel, Clock } from '@weir/base/clock.ts';
import { SESSION_TICK_MS } from '@weir/base/limits.ts';
import { PowerCut } from '@weir/base/power-cut.ts';
import type { Chance } from './chance.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** What processes stand on. */
export interface Ground {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  /** Of timers and clocks. */
  readonly chance: Chance;
  /** An invariant does not hold, or code of ours has thrown: the run has failed. */
  readonly violated: (what: string) => void;
}

/** How late a timer may be while its process runs. */
const TIMER_LATE_MS = 1.5;
const WALL_START_MS = 1_700_000_000_000;

/**
 * A process of the operating system: it has a clock, can be paused (SIGSTOP) and killed. What reaches it while it is paused
 * waits: when it goes on, its timers come first, once each, and then its messages in order, as in Node's loop.
 */
export class Process {
  readonly name: string;
  readonly clock: Clock;
  readonly #ground: Ground;
  #state: 'runs' | 'paused' | 'dead' = 'runs';
  #dueTimers: (() => void)[] = [];
  #inbox: (() => void)[] = [];
  #pausedSinceMs = 0;
  #pausedMs = 0;
  #turns = 0;
  readonly #deathWatchers: (() => void)[] = [];

  constructor(name: string, ground: Ground) {
    this.name = name;
    this.#ground = ground;
    const { scheduler, chance } = ground;
    const monotonicStart = chance.between(0, 1e6);
    const wallStart = WALL_START_MS + chance.between(-3.6e6, 3.6e6);
    this.clock = {
      monotonicMs: () => monotonicStart + scheduler.nowMs,
      wallMs: () => Math.floor(wallStart + scheduler.nowMs),
      after: (delayMs, callback) => this.#timer(delayMs, callback, undefined),
      every: (intervalMs, callback) => this.#timer(intervalMs, callback, intervalMs),
      endOfTurn: (callback) => scheduler.in(0, () => this.#reach(callback, this.#inbox), 'last'),
    };
  }

  get state(): 'runs' | 'paused' | 'dead' {
    return this.#state;
  }

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  /** How often anything ran in it: while it is the same, the process has done nothing. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Milliseconds in which this process's loop turned, never too few: of a pause, a coordinator may count the time between
   * two of its ticks.
   */
  get turnedMs(): number {
    return this.#ground.scheduler.nowMs - this.#pausedMs - (this.#state === 'paused' ? this.#pauseMs : 0);
  }

  /** Of the pause under way, what cannot count. */
  get #pauseMs(): number {
    return Math.max(0, this.#ground.scheduler.nowMs - this.#pausedSinceMs - SESSION_TICK_MS);
  }

  /** Something from outside reaches the process now, or when it goes on, or never. */
  deliver(callback: () => void): void {
    this.#reach(callback, this.#inbox);
  }

  whenDead(callback: () => void): void {
    this.#deathWatchers.push(callback);
  }

  pause(): void {
    if (this.#state !== 'runs') return;
    this.#state = 'paused';
    this.#pausedSinceMs = this.#ground.scheduler.nowMs;
    this.#ground.trace.note(this.#pausedSinceMs, `${this.name} is paused`);
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'runs';
    const { scheduler, trace } = this.#ground;
    trace.note(scheduler.nowMs, `${this.name} goes on`);
    this.#pausedMs += this.#pauseMs;
    this.#inbox.unshift(...this.#dueTimers.splice(0));
    scheduler.in(0, () => this.#catchUp(), 'first');
  }

  die(why: string): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#dueTimers = [];
    this.#inbox = [];
    this.#ground.trace.note(this.#ground.scheduler.nowMs, `${this.name} is dead: ${why}`);
    for (const watcher of this.#deathWatchers) watcher();
  }

  #timer(delayMs: number, callback: () => void, intervalMs: number | undefined): Cancel {
    const { scheduler, chance } = this.#ground;
    let cancelled = false;
    const due = (): void => {
      if (cancelled) return;
      if (intervalMs !== undefined) start(intervalMs);
      callback();
    };
    const start = (ms: number): void =>
      scheduler.in(ms + chance.between(0, TIMER_LATE_MS), () => !cancelled && this.#reach(due, this.#dueTimers));
    start(delayMs);
    return () => {
      cancelled = true;
    };
  }

  /** Takes what came during a pause, one after the other; what comes meanwhile is behind it. */
  #catchUp(): void {
    if (this.#state !== 'runs') return;
    const next = this.#inbox.shift();
    if (next === undefined) return;
    this.#run(next);
    if (this.#inbox.length > 0) this.#ground.scheduler.in(0, () => this.#catchUp(), 'first');
  }

  #reach(callback: () => void, waiting: (() => void)[]): void {
    if (this.#state === 'dead') return;
    if (this.#state === 'paused') waiting.push(callback);
    else if (this.#inbox.length > 0) this.#inbox.push(callback);
    else this.#run(callback);
  }

  #run(callback: () => void): void {
    this.#turns++;
    try {
      callback();
    } catch (error) {
      if (error instanceof PowerCut && this.#state === 'dead') return;
      this.#ground.violated(
        `${this.name} threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  }
}
