import { HTTP_CONNECTIONS_MAX, HTTP_FILES_SHARE, STOP_GRACE_MS, STREAMS_MAX } from '@weir/base/limits.ts';
import { splitAddress } from '@weir/base/options.ts';
import { isLoopbackHost, listenProblem } from '@weir/runtime/listen-rule.ts';
import { VERSION } from '@weir/runtime/run-service.ts';
import type { Service, World } from '@weir/runtime/world.ts';
import { budgetsFor } from './budgets.ts';
import { ConsumerNodes } from './consumers/consumer-nodes.ts';
import { ConsumerPlaces } from './consumers/consumer-places.ts';
import { ConsumerTable } from './consumers/consumer-table.ts';
import { StreamCount } from './context.ts';
import type { GatewayContext } from './context.ts';
import type { GatewayClient } from './gateway-client.ts';
import { ByteBudget } from './http/byte-budget.ts';
import { Forwarder } from './http/forward.node.ts';
import { startHttpServer } from './http/http-server.node.ts';
import { GatewayMetrics } from './metrics.ts';
import type { GatewayOptions } from './options.ts';
import { GatewayRegistration } from './registration.ts';
import { allRoutes } from './routes.ts';

/** Starts a gateway over a client, which is closed with it. It listens at once and is ready once it knows the cluster. */
export async function startGateway(options: GatewayOptions, world: World, client: GatewayClient): Promise<Service> {
  const listen = options['http-listen'];
  const problem = listenProblem('http-listen', listen, options.insecure);
  if (problem !== undefined) throw new Error(problem);
  const budgets = budgetsFor(options['memory-limit'] ?? world.memoryLimitBytes);
  const budget = new ByteBudget(budgets.inFlightBytes);
  const streams = new StreamCount(STREAMS_MAX);
  const consumers = new ConsumerTable(client, world, budgets.consumersMax);
  // The real port is known once it listens.
  let peerAddress = options['peer-advertise'] ?? listen;
  const forwarder = new Forwarder(options.id);
  let registration: GatewayRegistration | undefined;
  const consumerPlaces = new ConsumerPlaces({
    table: consumers,
    nodes: new ConsumerNodes(client.namespace),
    world,
    forward: forwarder.forward,
    self: () => {
      const shown = registration?.shown;
      return shown === undefined ? undefined : { ...shown, http: peerAddress };
    },
  });
  consumers.onExpired = (consumer) => consumerPlaces.expired(consumer);
  const stopping = new AbortController();
  const notReady = (): string | undefined => {
    if (stopping.signal.aborted) return 'stopping';
    return client.revision < 0 ? `no metadata yet from a coordinator (${options.coordinators})` : undefined;
  };
  const metrics = new GatewayMetrics(world.registry, {
    streams: () => streams.count,
    consumers: () => consumers.count,
    inFlightBytes: () => budget.used,
  });
  const { clock, random, logger, tracer, registry } = world;
  const context: GatewayContext = {
    client,
    clock,
    random,
    logger,
    tracer,
    registry,
    metrics,
    budget,
    producerBufferBytes: budgets.producerBufferBytes,
    readBytes: budgets.readBytes,
    consumers,
    consumerPlaces,
    streams,
    stopping: stopping.signal,
    notReady,
  };
  const server = await startHttpServer({
    listen,
    routes: allRoutes(VERSION),
    context,
    // Logs and connections to other services, perhaps in this same process, need descriptors as well.
    connectionsMax: Math.min(HTTP_CONNECTIONS_MAX, Math.floor(world.openFilesLimit * HTTP_FILES_SHARE)),
    access: {
      loopback: isLoopbackHost(splitAddress(listen).host),
      allowedOrigins: new Set(options['allowed-origins']?.split(',') ?? []),
    },
  });
  peerAddress = options['peer-advertise'] ?? server.address;
  const httpAddress = options['http-advertise'] ?? server.address;
  registration = new GatewayRegistration(client.namespace, { id: options.id, httpAddress }, world);
  return {
    addresses: { http: httpAddress },
    notReady,
    async stop() {
      stopping.abort();
      registration?.stop();
      consumerPlaces.stop();
      // Others take them over from here on; who waits for records gets none.
      await consumers.close();
      await server.drain(options['drain-time-ms']);
      // One grace for requests and for records that are still on their way: whoever waits for a stop knows of one.
      const deadlineMs = clock.monotonicMs() + STOP_GRACE_MS;
      await server.stop(STOP_GRACE_MS);
      forwarder.close();
      await client.close(Math.max(0, deadlineMs - clock.monotonicMs()));
    },
  };
}
