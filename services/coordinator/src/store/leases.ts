import type { Cancel, Clock } from '@weir/base/clock.ts';
import type { LeaseId } from '@weir/base/ids.ts';
import { SESSION_TICK_MS, WRITE_RETRY_MS } from '@weir/base/limits.ts';

interface Entry {
  readonly ttlMs: number;
  endsMs: number;
}

/**
 * Which leases of an engine live, and until when. A timer that comes late says that the process did not run, and whoever
 * keeps leases alive in it did not either: then all of them have their whole time again.
 */
export class Leases {
  readonly #clock: Clock;
  readonly #over: (id: LeaseId) => void;
  readonly #entries = new Map<LeaseId, Entry>();
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | undefined;

  /** @param over - called when a lease's time is over, again and again until it is ended or kept alive */
  constructor(clock: Clock, over: (id: LeaseId) => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** Begins a lease, or one that was there before this process, with its whole time. */
  begin(id: LeaseId, ttlMs: number): void {
    this.#entries.set(id, { ttlMs, endsMs: this.#clock.monotonicMs() + ttlMs });
    this.#arm(0);
  }

  /** Gives it its whole time again; false when there is none. */
  keepAlive(id: LeaseId): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    entry.endsMs = this.#clock.monotonicMs() + entry.ttlMs;
    return true;
  }

  /** Gives all of them their whole time again. */
  keepAllAlive(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const entry of this.#entries.values()) entry.endsMs = nowMs + entry.ttlMs;
  }

  has(id: LeaseId): boolean {
    return this.#entries.has(id);
  }

  /** Whether its time is over, and nobody has kept it alive since. */
  isOver(id: LeaseId): boolean {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.endsMs <= this.#clock.monotonicMs();
  }

  /** It has ended. */
  end(id: LeaseId): void {
    this.#entries.delete(id);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#entries.clear();
  }

  /** Sets the timer for the end that comes next, in no less than `leastMs`, unless it comes early enough as it is. */
  #arm(leastMs: number): void {
    let endsMs = Infinity;
    for (const entry of this.#entries.values()) endsMs = Math.min(endsMs, entry.endsMs);
    if (endsMs === Infinity) return;
    const dueMs = Math.max(endsMs, this.#clock.monotonicMs() + leastMs);
    if (this.#timer !== undefined && this.#timer.dueMs <= dueMs) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#fire(dueMs));
    this.#timer = { dueMs, cancel };
  }

  #fire(dueMs: number): void {
    this.#timer = undefined;
    if (this.#clock.monotonicMs() - dueMs > SESSION_TICK_MS) this.keepAllAlive();
    for (const id of this.#entries.keys()) if (this.isOver(id)) this.#over(id);
    // What could not be ended is tried again.
    const isOneOver = this.#entries.keys().some((id) => this.isOver(id));
    this.#arm(isOneOver ? WRITE_RETRY_MS : 0);
  }
}
