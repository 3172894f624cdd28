import type { Chance } from './chance.ts';
import { forbidden } from './forbidden.ts';

/** Where an event stands among those of its instant: by chance, before all of them, or behind all of them. */
export type Place = 'first' | 'byChance' | 'last';

interface Event {
  readonly atMs: number;
  readonly tie: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** Every so many events the machine's own loop gets a turn: signals, the test runner. */
const EVENTS_PER_TURN = 2_000;

/** Simulated time: one heap of everything that is going to happen. */
export class Scheduler {
  readonly #chance: Chance;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #sequence = 0;
  #events = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened. */
  get events(): number {
    return this.#events;
  }

  /** Lets something happen in `delayMs`. */
  in(delayMs: number, run: () => void, place: Place = 'byChance'): void {
    const tie = place === 'first' ? 0 : place === 'last' ? 1 : Math.max(Number.MIN_VALUE, this.#chance.unit());
    this.#push({ atMs: this.#nowMs + Math.max(0, delayMs), tie, sequence: this.#sequence++, run });
  }

  /**
   * Lets time pass up to a moment, or until `done` says so, which is asked after each event. All promises that an event
   * settles have run before the next: what they do is part of it.
   */
  async runUntil(untilMs: number, done: () => boolean): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      this.#nowMs = next.atMs;
      this.#events++;
      forbidden(next.run);
      await settled();
      if (done()) return;
      if (this.#events % EVENTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#nowMs = untilMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const moved = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, moved)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
  }
}

function isBefore(a: Event, b: Event): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tie === b.tie ? a.sequence < b.sequence : a.tie < b.tie;
}

/** Node runs a next tick once no promise has anything left to do, however long their chains are. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
