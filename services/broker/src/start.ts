import { sleep } from '@weir/base/clock.ts';
import { brokerId } from '@weir/base/ids.ts';
import { advertiseProblem, listenProblem } from '@weir/runtime/listen-rule.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { Broker } from './broker.ts';
import { budgetsFor } from './budgets.ts';
import { parseListeners } from '@weir/base/listeners.ts';
import { listenForSockets } from './kafka/socket-server.node.ts';
import type { BrokerOptions } from './options.ts';

/**
 * Starts a broker: recovers what is on disk, listens, and registers. It returns once it listens; that it is registered
 * is what `notStarted` is about, and that it serves and has caught up `notReady`.
 *
 * @throws Error that names the option or the file, when it cannot start
 */
export async function start(options: BrokerOptions, world: World): Promise<Service> {
  const listen = options['grpc-listen'];
  const advertise = options['grpc-advertise'];
  const replicationListen = options['replication-listen'];
  const replicationAdvertise = options['replication-advertise'];
  const problem =
    listenProblem('grpc-listen', listen, options.insecure) ??
    advertiseProblem('grpc', listen, advertise) ??
    listenProblem('replication-listen', replicationListen, options.insecure) ??
    advertiseProblem('replication', replicationListen, replicationAdvertise) ??
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
        groups: {
          initialRebalanceDelayMs: options['group-initial-rebalance-delay-ms'],
          offsetsRetentionMs: options['offsets-retention-ms'],
        },
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
      replication: { listen: replicationListen, advertise: replicationAdvertise },
      coordinators: options.coordinators.split(','),
      rack: options.rack ?? '',
    });
    const { readiness } = broker;
    return {
      addresses,
      notStarted: () => readiness.startProblem,
      notReady: () => readiness.problem,
      stop: () => broker.stop(),
    };
  } catch (error) {
    directory.release();
    throw error;
  }
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
