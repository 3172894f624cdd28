import { Client } from '@weir/client/client.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { startGateway } from './gateway.ts';
import type { GatewayOptions } from './options.ts';

/** Starts a gateway with a client of its own. */
export async function start(options: GatewayOptions, world: World): Promise<Service> {
  const client = new Client(
    { coordinators: options.coordinators.split(','), name: `gateway/${options.id}`, autoCreateTopics: true },
    world,
  );
  try {
    return await startGateway(options, world, client);
  } catch (error) {
    await client.close();
    throw error;
  }
}
