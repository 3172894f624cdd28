import { sleep } from '@weir/base/clock.ts';
import { brokerId } from '@weir/base/ids.ts';
import { listenProblem } from '@weir/runtime/listen-rule.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { Broker } from './broker.ts';
import { budgetsFor } from './budgets.ts';
import { parseListeners } from '@weir/base/listeners.ts';
import { splitAddress } from '@weir/base/options.ts';
import { listenForSockets } from './kafka/socket-server.node.ts';
import type { BrokerOptions } from './options.ts';

/**
 * Starts a broker: recovers what is on disk, listens, and registers. It returns once it listens; that it is registered
 * and serves what it leads is what `notReady` is about.
 *
 * @throws Error that names the option or the file, when it cannot start
 */
export async function start(options: BrokerOptions, world: World): Promise<Service> {
  const listen = options['grpc-listen'];
  const advertise = options['grpc-advertise'];
  const problem =
    listenProblem('grpc-listen', listen, options.insecure) ??
    advertiseProblem('grpc', listen, advertise) ??
    kafkaProblem(options);
  if (problem !== undefined) throw new Error(problem);
  const path = options['data-dir'];
  const directory = world.openDirectory(path);
  try {
    const broker = new Broker(
      {
        brokerId: brokerId(options.id),
        path,
        flush: options.flush,
        budgets: budgetsFor(options['memory-limit'] ?? world.memoryLimitBytes),
      },
      world,
      directory,
    );
    await broker.recover(() => sleep(world.clock, 0));
    const addresses = await broker.serve({
      listen,
      advertise,
      kafka: {
        listen: options['kafka-listen'],
        advertise: options['kafka-advertise'],
        sockets: listenForSockets,
      },
      coordinators: options.coordinators.split(','),
      rack: options.rack ?? '',
    });
    return { addresses, notReady: () => broker.notReady(), stop: () => broker.stop() };
  } catch (error) {
    directory.release();
    throw error;
  }
}

/** Where a broker listens on all addresses, nobody can reach it under the one it listens on. */
function advertiseProblem(of: 'grpc' | 'kafka', listen: string, advertise: string | undefined): string | undefined {
  const { host } = splitAddress(listen);
  if (advertise !== undefined || (host !== '0.0.0.0' && host !== '::')) return undefined;
  return `--${of}-listen ${listen} is not an address that others can connect to: say --${of}-advertise HOST:PORT as well`;
}

/** The same for each of the Kafka listeners. */
function kafkaProblem(options: BrokerOptions): string | undefined {
  const told = options['kafka-advertise'];
  const advertise = new Map(told === undefined ? [] : parseListeners(told).map(({ name, address }) => [name, address]));
  for (const { name, address } of parseListeners(options['kafka-listen'])) {
    const problem =
      listenProblem('kafka-listen', address, options.insecure) ??
      advertiseProblem('kafka', address, advertise.get(name));
    if (problem !== undefined) return problem;
  }
  return undefined;
}
