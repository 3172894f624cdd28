import { expect, test } from 'vitest';
import { newRegistry } from '@weir/runtime/metrics.ts';
import { ClusterImage } from './controller/image.ts';
import { coordinatorMetrics } from './metrics.ts';

test('a coordinator whose store cannot be written is not active', async () => {
  const registry = newRegistry();
  const store: { problem: string | undefined } = { problem: undefined };
  const none = (): number => 0;
  coordinatorMetrics(registry, {
    image: new ClusterImage('c'),
    sessions: none,
    streams: none,
    queued: none,
    watches: none,
    problem: () => store.problem,
  });
  const active = (): Promise<string> => registry.getSingleMetricAsString('weir_coordinator_active');
  expect(await active()).toMatch(/^weir_coordinator_active 1$/m);
  store.problem = 'no room';
  expect(await active()).toMatch(/^weir_coordinator_active 0$/m);
});
