import { seededRandom } from '@weir/base/random.ts';
import type { Logger } from '@weir/runtime/world.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { Client } from '../client.ts';
import type { ClientOptions } from '../client.ts';
import type { ClientWorld } from '../world.ts';
import { FakeBroker } from './fake-broker.ts';
import { FakeCoordinator } from './fake-coordinator.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryTransport } from './memory-transport.ts';

const COORDINATOR = 'coordinator:1';

/** A coordinator and brokers 1 and 2 in memory, under a clock that a test moves. */
export class FakeCluster {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly coordinator = new FakeCoordinator();
  readonly brokers = new Map<number, FakeBroker>();
  readonly world: ClientWorld = {
    clock: this.clock,
    random: seededRandom(1),
    transport: this.transport,
    logger: silentLogger(),
  };

  static async start(): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    await cluster.transport.listen(COORDINATOR, cluster.coordinator.handlers);
    for (const id of [1, 2]) {
      cluster.brokers.set(id, new FakeBroker(1_000 * id));
      await cluster.startBroker(id);
      cluster.coordinator.broker(id, addressOf(id));
    }
    return cluster;
  }

  broker(id: number): FakeBroker {
    return this.brokers.get(id)!;
  }

  async startBroker(id: number): Promise<void> {
    await this.transport.listen(addressOf(id), this.broker(id).handlers);
  }

  stopBroker(id: number): void {
    this.transport.stop(addressOf(id));
  }

  async client(options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = new Client({ coordinators: [COORDINATOR], name: 'test', ...options }, this.world);
    await this.clock.advance(1);
    return client;
  }
}

function addressOf(id: number): string {
  return `broker:${id}`;
}

/** Says nothing. */
export function silentLogger(): Logger {
  return testWorld().logger;
}
