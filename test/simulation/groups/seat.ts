import type { Chance } from '../engine/chance.ts';
import { Member } from './member.ts';
import type { MemberParts } from './member.ts';
import type { GroupSwarm } from './swarm.ts';

/** What members need, but for who waits for their ends: their seats do. */
export type SeatParts = Omit<MemberParts, 'ended'>;

/** A place in a group: members come to it one after another, and two of a static one for a while. */
export class Seat {
  readonly group: GroupSwarm;
  readonly isStatic: boolean;
  readonly #name: string;
  readonly #instanceId: string | undefined;
  readonly #parts: MemberParts;
  #members: Member[] = [];
  #starts = 0;
  #isHealed = false;
  /** Whether somebody is to be there from now on. */
  #isWanted = false;
  /** Of those that have ended. */
  #operations = 0;

  /** @param number - from 1: no other one of the group has it */
  constructor(group: GroupSwarm, number: number, parts: SeatParts) {
    this.group = group;
    this.isStatic = number <= group.statics;
    this.#name = `member ${number} of ${group.id}`;
    this.#instanceId = this.isStatic ? `${group.id}-${number}` : undefined;
    this.#parts = { ...parts, ended: (member) => this.#ended(member) };
  }

  /** Those that run, the youngest last. */
  get members(): readonly Member[] {
    return this.#members;
  }

  get operations(): number {
    return this.#members.reduce((sum, { operations }) => sum + operations, this.#operations);
  }

  /** Lets one come when nobody is there. */
  start(): void {
    if (this.#members.length === 0) this.double();
  }

  /** Lets one come beside whoever is there. */
  double(): void {
    const member = new Member(`${this.#name}.${++this.#starts}`, this.group, this.#instanceId, this.#parts);
    if (this.#isHealed) member.hurry();
    this.#members.push(member);
  }

  kill(): void {
    this.#members.at(-1)?.process.die('killed');
  }

  stop(): void {
    this.#members.at(-1)?.stop();
  }

  /** Whoever is there goes on; if it is to be so somebody is, also once those have ended who are about to. */
  heal(isThere: boolean): void {
    for (const member of this.#members) {
      member.hurry();
      member.process.resume();
    }
    this.#isHealed = true;
    this.#isWanted = isThere;
    if (isThere) this.start();
  }

  #ended(member: Member): void {
    this.#operations += member.operations;
    this.#members = this.#members.filter((one) => one !== member);
    if (this.#isWanted) this.start();
  }
}

/** Seats of which some are taken from the beginning. */
export function seatsOf(groups: readonly GroupSwarm[], parts: SeatParts, chance: Chance): readonly Seat[] {
  const seats = groups.flatMap((group) =>
    Array.from({ length: group.members }, (_, i) => new Seat(group, i + 1, parts)),
  );
  for (const seat of seats) if (chance.happens(0.7)) seat.start();
  return seats;
}
