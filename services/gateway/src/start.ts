import { Client } from '@weir/client/client.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { budgetsFor } from './budgets.ts';
import { startGateway } from './gateway.ts';
import type { GatewayOptions } from './options.ts';

/** Starts a gateway with a client of its own. */
export async function start(options: GatewayOptions, world: World): Promise<Service> {
  const { producerBufferBytes } = budgetsFor(options['memory-limit'] ?? world.memoryLimitBytes);
  const client = new Client(
    {
      coordinators: options.coordinators.split(','),
      name: `gateway/${options.id}`,
      autoCreateTopics: true,
      producer: { bufferBytesMax: producerBufferBytes },
    },
    world,
  );
  try {
    return await startGateway(options, world, client);
  } catch (error) {
    await client.close();
    throw error;
  }
}
