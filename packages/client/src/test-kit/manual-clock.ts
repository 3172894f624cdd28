import { machineClock } from '@weir/runtime/machine.ts';
import type { Clock } from '@weir/base/clock.ts';

interface Timer {
  atMs: number;
  readonly everyMs: number | undefined;
  readonly callback: () => void;
}

const MEANWHILE_MS = 40_000;

/** Time that passes only when a test says so. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  #timers = new Set<Timer>();
  #endOfTurn: (() => void)[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#add({ atMs: this.#nowMs + delayMs, everyMs: undefined, callback });
  }

  every(intervalMs: number, callback: () => void): () => void {
    return this.#add({ atMs: this.#nowMs + intervalMs, everyMs: intervalMs, callback });
  }

  endOfTurn(callback: () => void): void {
    this.#endOfTurn.push(callback);
  }

  /** Lets everything happen that is due without time passing: messages, promises, ends of turns. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 12; quiet++) {
      await new Promise<void>((resolve) => machineClock.endOfTurn(resolve));
      const callbacks = this.#endOfTurn.splice(0);
      if (callbacks.length > 0) quiet = 0;
      for (const callback of callbacks) callback();
    }
  }

  /** Lets time pass in which nothing runs: what became due meanwhile comes late. */
  oversleep(ms: number): void {
    this.#nowMs += ms;
  }

  /** Lets time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.atMs += next.everyMs;
      next.callback();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  /** What becomes of a promise, while time passes and everything happens that is due: for MEANWHILE_MS at most. */
  async meanwhile<T>(promise: Promise<T>): Promise<T> {
    const over = new AbortController();
    const done = promise.finally(() => over.abort());
    done.catch(() => undefined);
    for (let waited = 0; !over.signal.aborted && waited < MEANWHILE_MS; waited += 10) await this.advance(10);
    return done;
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
}
