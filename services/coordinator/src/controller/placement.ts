import { assert } from '@weir/base/assert.ts';
import type { BrokerId } from '@weir/base/ids.ts';

/** A broker as placement sees it. */
export interface Candidate {
  readonly id: BrokerId;
  /** Empty for none: then it is a failure domain of its own. */
  readonly rack: string;
}

/** Whom partitions may be placed on. */
export interface Takers {
  readonly live: readonly Candidate[];
  /** Those that are away. */
  readonly absent: readonly Candidate[];
}

/**
 * Replicas for the partitions of a new topic, the first of each meant to lead. Leaders go round robin, beginning at
 * `start`, so that topics of one partition spread as well; replicas of one partition are on different racks as long as
 * there are any, and never twice on a broker. Brokers that are away have only replicas for which nobody who lives is left,
 * and never the first: unlike in Kafka they do not go before those that live for the sake of another rack.
 */
export function placeReplicas(
  { live, absent }: Takers,
  options: { readonly partitionCount: number; readonly replicationFactor: number; readonly start: number },
): BrokerId[][] {
  const { partitionCount, replicationFactor, start } = options;
  assert(live.length > 0, 'somebody lives who can lead');
  assert(replicationFactor >= 1 && replicationFactor <= live.length + absent.length, 'there are brokers enough');
  const ring = alternateRacks(live);
  const reserve = alternateRacks(absent);
  return Array.from({ length: partitionCount }, (_, partition) => {
    const place = start + partition;
    const leader = ring[place % ring.length]!;
    // With each turn round the ring the followers shift by one, so that a lost leader's load does not all go to one.
    const shift = Math.floor(place / ring.length);
    const others = rotated(ring, (place % ring.length) + 1).slice(0, -1);
    return chooseReplicas(leader, [rotated(others, shift), rotated(reserve, place)], replicationFactor);
  });
}

/** The leader, and followers of these groups, of the next group only when there is nobody left in the one before. */
function chooseReplicas(
  leader: Candidate,
  groups: readonly (readonly Candidate[])[],
  replicationFactor: number,
): BrokerId[] {
  const chosen = [leader];
  const racks = new Set([rackOf(leader)]);
  for (const group of groups) {
    const left = [...group];
    while (chosen.length < replicationFactor && left.length > 0) {
      const other = left.findIndex((candidate) => !racks.has(rackOf(candidate)));
      const [next] = left.splice(Math.max(0, other), 1) as [Candidate];
      chosen.push(next);
      racks.add(rackOf(next));
    }
  }
  return chosen.map(({ id }) => id);
}

function rotated<T>(ring: readonly T[], by: number): T[] {
  const first = ring.length === 0 ? 0 : by % ring.length;
  return [...ring.slice(first), ...ring.slice(0, first)];
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
