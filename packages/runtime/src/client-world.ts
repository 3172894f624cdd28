import { grpcTransport } from './grpc-transport.ts';
import { machineClock, machineRandom } from './machine.ts';
import type { Logger, World } from './world.ts';

function silent(): void {}

/** For programs that tell their users themselves how things went; what happens on the way is for services to log. */
const silentLogger = {
  level: 'silent',
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
  child: () => silentLogger,
} as unknown as Logger;

/** The part of this process's world that clients need, without a log. */
export const clientWorld: Pick<World, 'clock' | 'random' | 'transport' | 'logger'> = {
  clock: machineClock,
  random: machineRandom,
  transport: grpcTransport,
  logger: silentLogger,
};
