import { expect, test } from 'vitest';
import { argsAsBound, planService } from './plan.ts';
import type { PlanInput } from './plan.ts';

const INPUT: PlanInput = {
  dataDirectory: '/data',
  store: undefined,
  ports: 'fixed',
  logLevel: 'warn',
  brokers: 2,
  given: { coordinator: {}, broker: {}, gateway: {} },
};

/** A plan's words as options. */
function optionsOf(args: readonly string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (let i = 1; i < args.length; i += 2) out[args[i]!.slice(2)] = args[i + 1]!;
  return out;
}

test('the first of each kind gets the default ports and the rest free ones', () => {
  const first = planService('broker', 0, ['127.0.0.1:7070'], INPUT);
  expect(first).toMatchObject({ kind: 'broker', id: '1' });
  expect(first.args[0]).toBe('broker');
  expect(optionsOf(first.args)).toMatchObject({
    'kafka-listen': '127.0.0.1:9092',
    'grpc-listen': '127.0.0.1:7071',
    'ops-listen': '127.0.0.1:7080',
    'data-dir': '/data/broker',
    coordinators: '127.0.0.1:7070',
  });
  const second = planService('broker', 1, ['127.0.0.1:7070'], INPUT);
  expect(second.id).toBe('2');
  expect(optionsOf(second.args)).toMatchObject({
    'kafka-listen': '127.0.0.1:0',
    'grpc-listen': '127.0.0.1:0',
    'ops-listen': '127.0.0.1:0',
    'data-dir': '/data/broker-2',
  });
  expect(planService('gateway', 0, [], INPUT).id).toBe('gw-1');
  expect(planService('gateway', 1, [], INPUT).id).toBe('gw-2');
});

test('with automatic ports nothing has a fixed one', () => {
  for (const kind of ['coordinator', 'broker', 'gateway'] as const) {
    const options = optionsOf(planService(kind, 0, [], { ...INPUT, ports: 'auto' }).args);
    const addresses = Object.entries(options).filter(([name]) => name.endsWith('-listen'));
    expect(addresses).toHaveLength(kind === 'broker' ? 4 : 2);
    for (const [, address] of addresses) expect(address).toBe('127.0.0.1:0');
  }
});

test('topics are created on the way unless the user says otherwise', () => {
  expect(optionsOf(planService('coordinator', 0, [], INPUT).args)).toMatchObject({
    store: 'sqlite:/data/coordinator/metadata.db',
    'auto-create-topics': 'true',
    'default-replication-factor': '2',
  });
  expect(optionsOf(planService('coordinator', 0, [], { ...INPUT, brokers: 5 }).args)).toMatchObject({
    'default-replication-factor': '3',
  });
  const given = { ...INPUT.given, coordinator: { 'auto-create-topics': 'false' } };
  expect(optionsOf(planService('coordinator', 0, [], { ...INPUT, given }).args)['auto-create-topics']).toBe('false');
});

test('what is given for a kind goes to all of it, and what only one can have to the first', () => {
  const given = { ...INPUT.given, broker: { flush: 'interval', id: '7', 'grpc-listen': '127.0.0.1:9999' } };
  const plans = [0, 1].map((n) => planService('broker', n, [], { ...INPUT, given }));
  expect(plans.map(({ id }) => id)).toEqual(['7', '8']);
  expect(plans.map(({ args }) => optionsOf(args)['flush'])).toEqual(['interval', 'interval']);
  expect(plans.map(({ args }) => optionsOf(args)['grpc-listen'])).toEqual(['127.0.0.1:9999', '127.0.0.1:0']);
});

test('the words to start a service again name the ports that it got', () => {
  const plan = planService('gateway', 0, [], { ...INPUT, ports: 'auto' });
  const args = argsAsBound(plan, { http: '127.0.0.1:4001', ops: '127.0.0.1:4002' });
  expect(optionsOf(args)).toMatchObject({ 'http-listen': '127.0.0.1:4001', 'ops-listen': '127.0.0.1:4002' });
});
