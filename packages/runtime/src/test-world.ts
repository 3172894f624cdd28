import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { grpcTransport } from './grpc-transport.ts';
import { machineClock, machineRandom, openFilesLimit } from './machine.ts';
import { openDirectory } from './own-directory.ts';
import type { World } from './world.ts';

/** The real world with a silent log and a registry of its own, for tests that need one; parts may be replaced. */
export function testWorld(parts: Partial<World> = {}): World {
  return {
    clock: machineClock,
    random: machineRandom,
    transport: grpcTransport,
    logger: parts.logger ?? pino({ level: 'silent' }),
    registry: new Registry(),
    tracer: trace.getTracer('test'),
    memoryLimitBytes: 1024 ** 3,
    openFilesLimit: openFilesLimit(),
    openDirectory,
    fatal(error) {
      throw error;
    },
    ...parts,
  };
}

/** A new empty directory under the system's temporary one. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'weir-test-'));
}
