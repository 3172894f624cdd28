import { machineClock } from '@weir/runtime/machine.ts';
import { expect, test } from 'vitest';
import { compose } from './compose.ts';
import type { Launcher } from './launcher.ts';
import type { PlanInput, ServicePlan } from './plan.ts';

const INPUT: PlanInput = {
  dataDirectory: '/data',
  store: undefined,
  ports: 'auto',
  logLevel: 'warn',
  brokers: 2,
  given: { coordinator: {}, broker: {}, gateway: {} },
};
const COUNTS = { coordinator: 1, broker: 2, gateway: 1 };

/** Starts nothing and keeps what happened. `fail`: the id of a service that does not start. */
class FakeLauncher implements Launcher {
  readonly events: string[] = [];
  readonly plans: ServicePlan[] = [];
  unreadyPolls = 3;
  readonly #fail: string | undefined;

  constructor(fail?: string) {
    this.#fail = fail;
  }

  async launch(plan: ServicePlan) {
    this.plans.push(plan);
    const name = `${plan.kind} ${plan.id}`;
    await Promise.resolve();
    if (name === this.#fail) throw new Error('the port is taken by another process');
    this.events.push(`start ${name}`);
    return {
      plan,
      pid: 1,
      addresses: { grpc: `${plan.kind}:${this.plans.length}` },
      notReady: () => (this.unreadyPolls-- > 0 ? 'recovering' : undefined),
      stop: () => {
        this.events.push(`stop ${name}`);
        return Promise.resolve();
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const parts = (launcher: Launcher) => ({
  launcher,
  clock: machineClock,
  note: () => undefined,
  storeOwned: () => undefined,
});

test('the coordinator starts first and the others are told where it is; they stop the other way round', async () => {
  const launcher = new FakeLauncher();
  const composition = await compose(COUNTS, INPUT, parts(launcher));
  expect(launcher.unreadyPolls).toBeLessThan(0);
  expect(launcher.events[0]).toBe('start coordinator 1');
  for (const { args } of launcher.plans.slice(1)) expect(args).toContain('coordinator:1');
  await composition.stop();
  expect(launcher.events.slice(4)).toEqual([
    'stop gateway gw-1',
    'stop broker 1',
    'stop broker 2',
    'stop coordinator 1',
  ]);
});

test('when one does not start it is named and the others are stopped', async () => {
  const launcher = new FakeLauncher('broker 2');
  await expect(compose(COUNTS, INPUT, parts(launcher))).rejects.toThrow(
    'broker 2 does not start: the port is taken by another process. Stop that one, or say --ports auto',
  );
  const started = launcher.events.filter((event) => event.startsWith('start'));
  const stopped = launcher.events.filter((event) => event.startsWith('stop'));
  expect(stopped).toHaveLength(started.length);
});
