import { assert } from './assert.ts';

/** What can be a member of one list at a time. */
export interface Member {
  /** The list's own: where it is in there. -1 without one. */
  memberIndex: number;
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
    assert(member.memberIndex === -1, 'it is in no list yet');
    member.memberIndex = this.#all.length;
    this.#all.push(member);
  }

  /** Takes it out, if it is in there. */
  remove(member: T): void {
    const { memberIndex } = member;
    if (!this.has(member)) return;
    const last = this.#all.pop()!;
    if (last !== member) {
      this.#all[memberIndex] = last;
      last.memberIndex = memberIndex;
    }
    member.memberIndex = -1;
  }

  has(member: T): boolean {
    return this.#all[member.memberIndex] === member;
  }

  /** Takes all of them out. */
  takeAll(): readonly T[] {
    const all = this.#all.splice(0);
    for (const member of all) member.memberIndex = -1;
    return all;
  }

  /** Those that are in there now; they may go meanwhile. */
  snapshot(): readonly T[] {
    return [...this.#all];
  }
}
