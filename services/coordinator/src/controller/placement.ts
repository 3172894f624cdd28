import { assert } from '@weir/base/assert.ts';
import type { BrokerId } from '@weir/base/ids.ts';

/** A broker as placement sees it. */
export interface Candidate {
  readonly id: BrokerId;
  /** Empty for none: then it is a failure domain of its own. */
  readonly rack: string;
}

/**
 * Replicas for the partitions of a new topic, the first of each meant to lead. Leaders go round robin, beginning at
 * `start`, so that topics of one partition spread as well; replicas of one partition are on different racks as long as
 * there are any, and never twice on a broker.
 */
export function placeReplicas(
  candidates: readonly Candidate[],
  options: { readonly partitionCount: number; readonly replicationFactor: number; readonly start: number },
): BrokerId[][] {
  const { partitionCount, replicationFactor, start } = options;
  assert(replicationFactor >= 1 && replicationFactor <= candidates.length, 'there are brokers enough');
  const ring = alternateRacks(candidates);
  return Array.from({ length: partitionCount }, (_, partition) => {
    const place = start + partition;
    // With each turn round the ring the followers shift by one, so that a lost leader's load does not all go to one.
    const shift = Math.floor(place / ring.length);
    return chooseReplicas(ring, { first: place % ring.length, shift, replicationFactor });
  });
}

function chooseReplicas(
  ring: readonly Candidate[],
  options: { readonly first: number; readonly shift: number; readonly replicationFactor: number },
): BrokerId[] {
  const { first, shift, replicationFactor } = options;
  const leader = ring[first]!;
  const others = ring.length - 1;
  const order = Array.from({ length: others }, (_, i) => ring[(first + 1 + ((shift + i) % others)) % ring.length]!);
  const chosen = [leader];
  const racks = new Set([rackOf(leader)]);
  while (chosen.length < replicationFactor) {
    const left = order.filter((candidate) => !chosen.includes(candidate));
    const next = left.find((candidate) => !racks.has(rackOf(candidate))) ?? left[0]!;
    chosen.push(next);
    racks.add(rackOf(next));
  }
  return chosen.map(({ id }) => id);
}

/** One of each rack in turn, so that neighbours in the ring are on different racks where possible. */
function alternateRacks(candidates: readonly Candidate[]): Candidate[] {
  const racks = Map.groupBy(
    candidates.toSorted((a, b) => a.id - b.id),
    rackOf,
  );
  const queues = [...racks.values()];
  const ring: Candidate[] = [];
  for (let turn = 0; ring.length < candidates.length; turn++) {
    for (const queue of queues) if (turn < queue.length) ring.push(queue[turn]!);
  }
  return ring;
}

function rackOf({ id, rack }: Candidate): string {
  return rack === '' ? `broker ${id}` : `rack ${rack}`;
}
