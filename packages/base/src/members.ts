import { assert } from './assert.ts';

/** What can be a member of one list at a time. */
export interface Member {
  /** The list's own: where it is in there. -1 without one. */
  place: number;
}

/**
 * A set for what comes and goes with every request. JavaScript's own makes a new table each time that it becomes empty, and
 * the old one refers to it: once one of these has grown old, all that ever was in later ones is kept until the next full
 * collection (measured: half of what a broker allocates for small requests, and a seventh of its time).
 *
 * In no order: the last one takes the place of one that goes.
 */
export class Members<T extends Member> {
  readonly #all: T[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(member: T): void {
    assert(member.place === -1, 'it is in no list yet');
    member.place = this.#all.length;
    this.#all.push(member);
  }

  /** Takes it out, if it is in there. */
  remove(member: T): void {
    const { place } = member;
    if (this.#all[place] !== member) return;
    const last = this.#all.pop()!;
    if (last !== member) {
      this.#all[place] = last;
      last.place = place;
    }
    member.place = -1;
  }

  /** Those that are in there now; they may go meanwhile. */
  snapshot(): readonly T[] {
    return [...this.#all];
  }
}
