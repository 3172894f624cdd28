import type { Clock } from '@weir/base/clock.ts';

/** What has work at the end of a turn: a partition that was appended to, or one whose position moved. */
export interface TurnMember {
  /** Writes what was appended in this turn, and starts its sync. */
  flush(): void;
  /** Answers those who waited for the position, and wakes those who read at the tail. */
  release(): void;
}

/**
 * One turn of the loop. While input comes in, it is decided upon and appended; then what was appended is on its way to
 * followers, before the own disk has it: theirs can work at the same time; then everything goes to disk together, one write
 * a partition; then everyone whose position counts is answered; and last, streams send.
 */
export class Turn {
  readonly #clock: Clock;
  #scheduled = false;
  #firstSends = new Set<() => void>();
  #dirty = new Set<TurnMember>();
  #advanced = new Set<TurnMember>();
  #sends = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `flush` is called at the end of this turn. */
  appended(member: TurnMember): void {
    this.#dirty.add(member);
    this.#schedule();
  }

  /** `release` is called at the end of this turn. */
  advanced(member: TurnMember): void {
    this.#advanced.add(member);
    this.#schedule();
  }

  /** Called once at the end of this turn, before anything is written. */
  sendFirst(pump: () => void): void {
    this.#firstSends.add(pump);
    this.#schedule();
  }

  /** Called once at the end of this turn, after all flushes and answers. */
  send(pump: () => void): void {
    this.#sends.add(pump);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(() => this.#end());
  }

  /** What asks for more while this runs has it within the same turn where its phase is still to come, else next. */
  #end(): void {
    const firstSends = this.#firstSends;
    if (firstSends.size > 0) this.#firstSends = new Set();
    for (const pump of firstSends) pump();
    const dirty = this.#dirty;
    if (dirty.size > 0) this.#dirty = new Set();
    for (const member of dirty) member.flush();
    const advanced = this.#advanced;
    if (advanced.size > 0) this.#advanced = new Set();
    for (const member of advanced) member.release();
    const sends = this.#sends;
    if (sends.size > 0) this.#sends = new Set();
    for (const pump of sends) pump();
    this.#scheduled = false;
    if (this.#firstSends.size + this.#dirty.size + this.#advanced.size + this.#sends.size > 0) this.#schedule();
  }
}
