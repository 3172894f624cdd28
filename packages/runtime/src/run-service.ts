import { flushCompileCache } from 'node:module';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { messageOf } from '@weir/base/errors.ts';
import type { OptionSpecs, OptionValues } from '@weir/base/options.ts';
import { grpcTransport } from './grpc-transport.ts';
import { machineClock, machineRandom, memoryLimitBytes, openFilesLimit } from './machine.ts';
import { newRegistry } from './metrics.ts';
import { startOpsServer } from './ops-server.ts';
import { registerProcessMetrics } from './process-metrics.ts';
import { openDirectory } from './own-directory.ts';
import { startTracing } from './tracing.ts';
import type { Tracing } from './tracing.ts';
import type { Service, World } from './world.ts';

/** A kind of service: what `main.ts` and the command line need to run one. */
export interface ServiceKind<Specs extends ServiceOptionSpecs = ServiceOptionSpecs> {
  readonly kind: 'coordinator' | 'broker' | 'gateway';
  /** One line for `--help`. */
  readonly summary: string;
  readonly options: Specs;
  start(options: OptionValues<Specs>, world: World): Promise<Service>;
}

/** Every service has an id and an ops port. */
export type ServiceOptionSpecs = OptionSpecs & {
  readonly id: OptionSpecs[string];
  readonly 'ops-listen': OptionSpecs[string];
};

/** Ties the option types to `start`. */
export function defineService<const Specs extends ServiceOptionSpecs>(kind: ServiceKind<Specs>): ServiceKind<Specs> {
  return kind;
}

/** What the services of one process share. */
export interface ProcessContext {
  readonly logLevel: string;
  /** Where log lines go; standard output when left out. */
  readonly logDestination?: DestinationStream;
  /** Called after a fault that the process must not survive. */
  readonly fatal: (error: Error) => void;
  readonly tracing: Tracing;
}

/** Sets up what the services of this process share. */
export async function startProcess(options: Omit<ProcessContext, 'tracing'>): Promise<ProcessContext> {
  const logger = createLogger(options);
  const tracing = await startTracing({
    environment: process.env,
    version: VERSION,
    trouble: (message) => logger.warn(message),
  });
  return { ...options, tracing };
}

/** A service that runs, with its ops port. */
export interface RunningService {
  readonly kind: ServiceKind['kind'];
  readonly id: string;
  /** The service's own addresses and "ops". */
  readonly addresses: Readonly<Record<string, string>>;
  notReady(): string | undefined;
  /** `why`: what to say of it in the log. */
  stop(why?: string): Promise<void>;
}

/** Version of all three services, from the manifest. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/**
 * Starts a service in this process: its ops port first, so that probes are answered while it recovers, then the
 * service itself.
 */
export async function runService<Specs extends ServiceOptionSpecs>(
  kind: ServiceKind<Specs>,
  options: OptionValues<Specs>,
  context: ProcessContext,
): Promise<RunningService> {
  const { id, 'ops-listen': opsListen } = options as unknown as { id: string | number; 'ops-listen': string };
  const logger = createLogger(context).child({ service: kind.kind, id });
  const registry = newRegistry();
  registerProcessMetrics(registry, { version: VERSION, service: kind.kind });
  let service: Service | undefined;
  // Once it has started (recovered, registered, knowing the cluster), what comes later is not of its start.
  let hasStarted = false;
  const ops = await startOpsServer(opsListen, {
    registry,
    notStarted() {
      if (hasStarted) return undefined;
      const problem = service === undefined ? 'starting' : startProblem(service);
      hasStarted = problem === undefined;
      return problem;
    },
    notReady: () => service?.notReady(),
  });
  try {
    service = await kind.start(options, {
      clock: machineClock,
      random: machineRandom,
      transport: grpcTransport,
      logger,
      registry,
      tracer: context.tracing.tracer(kind.kind, String(id)),
      memoryLimitBytes: memoryLimitBytes(),
      openFilesLimit: openFilesLimit(),
      openDirectory,
      fatal(error) {
        logger.fatal({ err: error }, `${kind.kind} ${id} cannot go on: ${messageOf(error)}`);
        context.fatal(error);
      },
    });
  } catch (error) {
    await ops.close();
    throw error;
  }
  const running = service;
  logger.info({ addresses: running.addresses, ops: ops.address }, `${kind.kind} ${id} started`);
  // Else it is written at an orderly end, and one that is killed compiles all of it again, which takes 20 MiB more.
  flushCompileCache();
  return {
    kind: kind.kind,
    id: String(id),
    addresses: { ...running.addresses, ops: ops.address },
    notReady: () => running.notReady(),
    async stop(why) {
      if (why !== undefined) logger.info(`${kind.kind} ${id} stops: ${why}`);
      await running.stop();
      await ops.close();
      logger.info(`${kind.kind} ${id} stopped`);
    },
  };
}

function startProblem(service: Service): string | undefined {
  return service.notStarted === undefined ? service.notReady() : service.notStarted();
}

function createLogger(context: Pick<ProcessContext, 'logLevel' | 'logDestination'>): Logger {
  const options = { level: context.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return context.logDestination === undefined ? pino(options) : pino(options, context.logDestination);
}
