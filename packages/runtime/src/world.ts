import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Clock } from '@weir/base/clock.ts';
import type { Disk } from '@weir/base/disk.ts';
import type { Random } from '@weir/base/random.ts';
import type { Transport } from '@weir/base/transport.ts';

export type { Tracer } from '@opentelemetry/api';
export type { Logger } from 'pino';
export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** All that a service may reach: it is handed in, so that a test or the simulator can hand in another. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly logger: Logger;
  /** One per service, even where several run in one process. */
  readonly registry: Registry;
  readonly tracer: Tracer;
  /** What the process may use: the container's limit, or the machine's memory. Budgets derive from it. */
  readonly memoryLimitBytes: number;
  /** File descriptors that the process may have open. */
  readonly openFilesLimit: number;
  /**
   * Makes a directory where there is none and locks it until the process ends or it is released.
   *
   * @throws Error that names the directory when another process has it
   */
  openDirectory(path: string): OwnedDirectory;
  /** Ends the process after a fault that must not be survived, such as a failed sync. */
  fatal(error: Error): void;
}

/** A directory that no other process has. */
export interface OwnedDirectory {
  readonly disk: Disk;
  release(): void;
}

/** A running service. */
export interface Service {
  /** What others reach it by, as host:port, under the names "grpc" and "http". */
  readonly addresses: Readonly<Record<string, string>>;
  /** Why its start is not over, or undefined when it is. Left out: it is once the service was ready. */
  notStarted?(): string | undefined;
  /** Why it is not ready for traffic, or undefined when it is. */
  notReady(): string | undefined;
  /** Finishes what is under way and lets go of everything. */
  stop(): Promise<void>;
}
