import { Process } from '../engine/process.ts';
import { simulatedWorld } from '../cluster/world.ts';
import type { Parts } from '../parts.ts';
import type { BrokerSwarm } from './swarm.ts';
import type { ClientWorld } from '@weir/client/world.ts';

/** A process of its own for a client. */
export function clientProcess(
  name: string,
  parts: Parts<BrokerSwarm>,
): { readonly process: Process; readonly world: ClientWorld } {
  const { ground, network } = parts;
  const process = new Process(name, ground);
  process.whenDead(() => network.died(process));
  const world = simulatedWorld(process, {
    network,
    chance: parts.chanceFor(name),
    fatal: (error) => ground.violated(`${name} ends: ${error.message}`),
  });
  return { process, world };
}
