import { describe, expect, test } from 'vitest';
import { brokerId } from '@weir/base/ids.ts';
import { MEANINGS, TRANSITIONS } from './broker-life.ts';
import type { BrokerEvent, BrokerState } from './broker-life.ts';
import type { CommandResult } from './controller.ts';
import { registrationOf } from './image.ts';
import { loadImage, TestController } from './test-controller.ts';

const STATES = Object.keys(TRANSITIONS) as BrokerState[];
const EVENTS = Object.keys(TRANSITIONS.gone) as BrokerEvent[];
const ID = brokerId(1);

/** A cluster whose broker 1 is in a state, by the shortest way there. */
function inState(state: BrokerState): TestController {
  const controller = new TestController();
  if (state === 'gone') return controller;
  controller.register(ID);
  if (state === 'registered') return controller;
  controller.isCurrent(ID);
  if (state === 'draining') controller.drain(ID);
  if (state === 'fenced') controller.endSession(ID);
  return controller;
}

const HAPPENS: Readonly<Record<BrokerEvent, (controller: TestController) => CommandResult | undefined>> = {
  registers: (controller) => controller.register(ID),
  isCurrent(controller) {
    controller.isCurrent(ID);
    return { kind: 'done' };
  },
  drains: (controller) => controller.drain(ID),
  undrains: (controller) => controller.drain(ID, { isOn: false }),
  sessionEnds: (controller) => controller.endSession(ID),
  unregisters: (controller) => controller.unregister(ID),
};

describe.each(STATES)('a broker that is %s', (state) => {
  test('is so for whoever looks', () => {
    const { image } = inState(state);
    expect(image.stateOf(ID)).toBe(state);
    expect(image.sessionOf(ID) !== undefined).toBe(MEANINGS[state].leads !== 'no');
  });

  test.each(EVENTS)('does as the table says when it %s', (event) => {
    const controller = inState(state);
    const transition = TRANSITIONS[state][event];
    const result = HAPPENS[event](controller);
    const isRefused = transition.kind === 'refused';
    expect(result?.kind === 'refused' ? result.refusal.code : undefined).toBe(isRefused ? transition.code : undefined);
    expect(controller.image.stateOf(ID)).toBe(isRefused ? state : transition.state);
    const session = controller.image.sessionOf(ID);
    const broker = controller.image.brokers.get(ID);
    const registration = broker && registrationOf(broker);
    expect(session?.revision ?? registration).toBe(registration);
    // What one coordinator has written, the next one reads; only what brokers have said is to be said anew.
    const { image } = loadImage(controller.store);
    const known = controller.image.stateOf(ID);
    expect(image.stateOf(ID)).toBe(known === 'active' ? 'registered' : known);
  });
});

test('a drain names a registration, and is refused for one that is over', () => {
  const controller = inState('active');
  const brokerEpoch = controller.image.sessionOf(ID)!.revision;
  controller.register(ID);
  for (const kind of ['drainBroker', 'undrainBroker'] as const) {
    expect(controller.run({ kind, brokerId: ID, brokerEpoch, peer: '' })).toMatchObject({
      refusal: { code: 'STALE_BROKER_EPOCH' },
    });
  }
  expect(controller.image.stateOf(ID)).toBe('registered');
});

test('a drain leaves the epoch of the registration as it was, also once the broker is away', () => {
  const controller = inState('active');
  const epoch = controller.image.sessionOf(ID)!.revision;
  const epochs = (): number[] => {
    const { image } = loadImage(controller.store);
    return [controller.image, image].map((one) => registrationOf(one.brokers.get(ID)!));
  };
  controller.drain(ID);
  expect(controller.image.sessionOf(ID)!.revision).toBe(epoch);
  expect(epochs()).toEqual([epoch, epoch]);
  controller.drain(ID, { isOn: false });
  controller.endSession(ID);
  expect(epochs()).toEqual([epoch, epoch]);
  expect(controller.image.brokers.get(ID)!.revision).toBeGreaterThan(epoch);
});
