import { resolveOptions } from '@weir/base/options.ts';
import type { World } from '@weir/runtime/world.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { startGateway } from '../gateway.ts';
import { gatewayOptions } from '../options.ts';
import { FakeClient } from './fake-client.ts';

/** A gateway over real HTTP in front of a fake cluster. */
export interface TestGateway {
  readonly client: FakeClient;
  readonly world: World;
  /** http://host:port */
  readonly url: string;
  notReady(): string | undefined;
  stop(): Promise<void>;
}

/** Starts one on a free port. It has the topics "orders" (one partition) and "many" (four). */
export async function startTestGateway(
  options: Record<string, string> = {},
  parts: Partial<World> = {},
): Promise<TestGateway> {
  const world = testWorld(parts);
  const client = new FakeClient(world.clock);
  client.addTopic('orders', 1);
  client.addTopic('many', 4);
  const values = { 'http-listen': '127.0.0.1:0', ...options };
  const resolved = resolveOptions(gatewayOptions, [{ label: (name) => name, values }]);
  if (!resolved.ok) throw new Error(resolved.problems.join('; '));
  const service = await startGateway(resolved.values, world, client);
  return {
    client,
    world,
    url: `http://${service.addresses['http']!}`,
    notReady: () => service.notReady(),
    stop: () => service.stop(),
  };
}
