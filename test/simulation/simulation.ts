import { SimulatedBroker } from './cluster/broker.ts';
import { Follower } from './cluster/follower.ts';
import { TreeClient } from './cluster/tree-client.ts';
import { Faults } from './faults.ts';
import { Load } from './load.ts';
import { Recovery } from './recovery.ts';
import { setStage } from './stage.ts';
import type { StageOutcome } from './stage.ts';
import { swarmOf } from './swarm.ts';
import type { Swarm } from './swarm.ts';

/** How a run of the coordinators ended. */
export interface Outcome extends StageOutcome {
  readonly kind: 'coordinators';
  readonly seed: number;
  readonly swarm: Swarm;
  readonly operations: number;
  readonly faults: number;
}

/**
 * Runs one seed of the coordinators: faults and load for a while, then everything heals and has to converge. The same seed
 * takes the same course on every machine.
 *
 * @param print - sees the trace as it is made
 */
export async function simulate(seed: number, print?: (line: string) => void): Promise<Outcome> {
  const swarm = swarmOf(seed);
  const { parts, coordinators, failed, end } = setStage(seed, swarm, { print });
  const { addresses } = coordinators;
  const brokers = Array.from({ length: swarm.brokers }, (_, i) => new SimulatedBroker(i + 1, parts, addresses));
  for (const broker of brokers) broker.start({ isOtherDirectory: false, doubtfulRate: 0 });
  const load = new Load(parts, { coordinators: addresses, brokers });
  const followers = [load.follower];
  for (let i = 1; i <= swarm.observers; i++) {
    const member = { kind: 'observer', name: `observer ${i}` } as const;
    followers.push(new Follower(member.name, parts, { coordinators: addresses, member }));
  }
  const treeClients = Array.from(
    { length: swarm.treeClients },
    (_, i) => new TreeClient(`tree ${i + 1}`, parts, addresses),
  );
  const faults = new Faults(parts, { coordinators, brokers, followers, treeClients });
  await parts.ground.scheduler.runUntil(swarm.safetyMs, failed);
  if (!failed()) {
    faults.stop();
    const recovery = new Recovery(parts, { coordinators, brokers, followers, treeClients, load });
    await recovery.run(failed);
  }
  return {
    ...end(),
    kind: 'coordinators',
    seed,
    swarm,
    operations: load.operations + treeClients.reduce((sum, client) => sum + client.operations, 0),
    faults: faults.count,
  };
}
