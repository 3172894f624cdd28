import type { History } from '../checks/history.ts';
import type { BrokerMachine } from './machine.ts';
import type { BrokerSwarm } from './swarm.ts';

interface Member {
  readonly broker: number;
  readonly epoch: number;
}

/**
 * Whether a disk, or one replica on it, may be lost without anything being lost that was promised: of each partition that it has a
 * replica of, another replica in sync is on a disk that has it whole, under its broker's registration.
 *
 * @param only - the folder of the one replica
 */
export function canSpare(
  history: History,
  { topics }: BrokerSwarm,
  machines: readonly BrokerMachine[],
  { machine: spared, only }: { readonly machine: BrokerMachine; readonly only?: string },
): boolean {
  const unsynced = new Set(topics.filter(({ flush }) => flush !== 'commit').map(({ name }) => name));
  const names = new Map([...history.under('/topics/')].map(([name, { id }]) => [id as string, name]));
  for (const [topicId, index, { replicas, isr }] of history.partitions()) {
    const folder = `${topicId}-${index}`;
    if (!(replicas as number[]).includes(spared.id) || (only !== undefined && only !== folder)) continue;
    const isInSync = ({ broker, epoch }: Member): boolean => {
      const machine = machines[broker - 1];
      const isOther = machine !== undefined && machine !== spared && machine.isWhole(folder);
      return isOther && machine.running?.brokerEpoch === epoch;
    };
    // Without a sync nothing is promised of a single disk that is left.
    if (unsynced.has(names.get(topicId) ?? '') || !(isr as Member[]).some(isInSync)) return false;
  }
  return true;
}
