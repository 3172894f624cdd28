import type { Logger, World } from '@weir/runtime/world.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import type { Chance } from '../engine/chance.ts';
import type { Network } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';

/** A line of a service's log. */
export interface LogLine {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The world as a service in a simulated process has it. */
export function simulatedWorld(
  process: Process,
  parts: {
    readonly network: Network;
    readonly chance: Chance;
    readonly logged?: (line: LogLine) => void;
    readonly fatal: (error: Error) => void;
  },
): World {
  return testWorld({
    clock: process.clock,
    random: parts.chance,
    transport: parts.network.transportOf(process),
    logger: loggerOf(parts.logged ?? (() => {})),
    openDirectory: () => {
      throw new Error('a simulated service has no directory');
    },
    fatal: parts.fatal,
  });
}

function loggerOf(logged: (line: LogLine) => void): Logger {
  const take = (facts: unknown, message?: string): void => {
    if (typeof facts === 'string') logged({ facts: {}, message: facts });
    else logged({ facts: facts as LogLine['facts'], message: message ?? '' });
  };
  return { debug: take, info: take, warn: take, error: take } as unknown as Logger;
}
