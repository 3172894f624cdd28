import type { ErrorCode } from '@weir/base/errors.ts';

/** Where a broker stands. Nothing of it is stored as such: `ClusterImage.stateOf` reads it off what is. */
export type BrokerState =
  /** Its session lives, and it has not said yet that it knows the metadata as of its registration (or its undrain). */
  | 'registered'
  /** It has. */
  | 'active'
  /** Its session lives, and it is going to stop. */
  | 'draining'
  /** Its session has ended. */
  | 'fenced'
  /** No such broker is registered: it never was, or was unregistered. */
  | 'gone';

/** What happens to a broker. */
export type BrokerEvent = 'registers' | 'isCurrent' | 'drains' | 'undrains' | 'sessionEnds' | 'unregisters';

/** What an event makes of a state, or why it may not happen in it. */
export type Transition =
  | { readonly kind: 'to'; readonly state: BrokerState }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/**
 * The life of a broker: every event in every state. Where nothing is refused and the state stays, the event is one that came
 * late or twice.
 */
export const TRANSITIONS: Readonly<Record<BrokerState, Readonly<Record<BrokerEvent, Transition>>>> = {
  registered: {
    registers: to('registered'),
    isCurrent: to('active'),
    drains: to('draining'),
    undrains: to('registered'),
    sessionEnds: to('fenced'),
    unregisters: refused('BROKER_ACTIVE'),
  },
  active: {
    registers: to('registered'),
    isCurrent: to('active'),
    drains: to('draining'),
    undrains: to('active'),
    sessionEnds: to('fenced'),
    unregisters: refused('BROKER_ACTIVE'),
  },
  draining: {
    // The drain was of the registration before.
    registers: to('registered'),
    isCurrent: to('draining'),
    drains: to('draining'),
    // It has to hear of it before leadership comes back to it.
    undrains: to('registered'),
    sessionEnds: to('fenced'),
    unregisters: refused('BROKER_ACTIVE'),
  },
  fenced: {
    registers: to('registered'),
    isCurrent: to('fenced'),
    drains: refused('BROKER_NOT_AVAILABLE'),
    undrains: refused('BROKER_NOT_AVAILABLE'),
    sessionEnds: to('fenced'),
    // Only when no partition has a replica on it.
    unregisters: to('gone'),
  },
  gone: {
    registers: to('registered'),
    isCurrent: to('gone'),
    drains: refused('BROKER_ID_NOT_REGISTERED'),
    undrains: refused('BROKER_ID_NOT_REGISTERED'),
    sessionEnds: to('gone'),
    unregisters: refused('BROKER_ID_NOT_REGISTERED'),
  },
};

/** What a state means for who decides. `last`: where nobody else can. */
export interface Meaning {
  /** Whether it is given new partitions. `absent`: as a follower that is not in sync, where brokers that live are too few. */
  readonly takes: 'yes' | 'last' | 'absent' | 'no';
  /** Whether it leads partitions that it is in sync with. */
  readonly leads: 'yes' | 'last' | 'no';
  /** Whether leadership that somebody else has goes back to it, where it is preferred. */
  readonly isBroughtBack: boolean;
}

export const MEANINGS: Readonly<Record<BrokerState, Meaning>> = {
  // What nobody else leads does not wait; what somebody leads stays there until it knows what it is to lead.
  registered: { takes: 'yes', leads: 'yes', isBroughtBack: false },
  active: { takes: 'yes', leads: 'yes', isBroughtBack: true },
  draining: { takes: 'last', leads: 'last', isBroughtBack: false },
  fenced: { takes: 'absent', leads: 'no', isBroughtBack: false },
  gone: { takes: 'no', leads: 'no', isBroughtBack: false },
};

function to(state: BrokerState): Transition {
  return { kind: 'to', state };
}

function refused(code: ErrorCode): Transition {
  return { kind: 'refused', code };
}
