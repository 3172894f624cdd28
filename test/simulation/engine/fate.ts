import type { StoreSwarm } from '../swarm.ts';
import type { Chance } from './chance.ts';

/** What becomes of a request to the store, in milliseconds from its sending; undefined: never. */
export interface Fate {
  readonly doneAfterMs: number | undefined;
  readonly answeredAfterMs: number | undefined;
  /** When its sender gives it up, unless it is answered. */
  readonly givenUpAfterMs: number;
  readonly fault: string;
}

/** After so long a request is given up, as the etcd engine does it: its outcome is unknown. */
export const GIVEN_UP_MS = 2_000;
/** By how much a request that was given up may be late: among the next tries, or long after them. */
const LATE_MS = [100, 1_000, 10_000];

/** Draws the fate of one request. */
export function fateOf(
  chance: Chance,
  { delayMaxMs, slowRate, answerLostRate, requestLostRate, lateRate }: StoreSwarm,
  { isIsolated }: { readonly isIsolated: boolean },
): Fate {
  const there = chance.between(0.1, delayMaxMs);
  const back = chance.between(0.1, delayMaxMs);
  const slow = chance.happens(slowRate) ? chance.between(0, 1.5 * GIVEN_UP_MS) : 0;
  const draw = chance.unit();
  // A connection that breaks ends it sooner.
  const givenUpAfterMs = chance.happens(0.5) ? GIVEN_UP_MS : chance.between(0, GIVEN_UP_MS);
  const late = givenUpAfterMs + chance.between(0, chance.pick(LATE_MS));
  if (isIsolated || draw < requestLostRate) {
    return { doneAfterMs: undefined, answeredAfterMs: undefined, givenUpAfterMs, fault: 'the request got lost' };
  }
  if (draw < requestLostRate + answerLostRate) {
    return { doneAfterMs: there + slow, answeredAfterMs: undefined, givenUpAfterMs, fault: 'the answer got lost' };
  }
  if (draw < requestLostRate + answerLostRate + lateRate) {
    return { doneAfterMs: late, answeredAfterMs: undefined, givenUpAfterMs, fault: 'no answer in time' };
  }
  const answeredAfterMs = there + slow + back;
  return { doneAfterMs: there + slow, answeredAfterMs, givenUpAfterMs: GIVEN_UP_MS, fault: 'no answer in time' };
}
