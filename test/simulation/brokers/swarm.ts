import { minInSyncReplicas } from '@weir/base/topic-configs.ts';
import { Chance } from '../engine/chance.ts';
import { groupsOf, offsetsTopicOf } from '../groups/swarm.ts';
import type { GroupsSwarm } from '../groups/swarm.ts';
import type { ClusterSwarm, NetworkSwarm, StoreSwarm } from '../swarm.ts';

/** A replication factor that a seed may draw, at most. */
const REPLICATION_FACTOR_MAX = 5;
const KIB = 1024;

/** What disks do. */
interface DiskSwarm {
  readonly capacityBytes: number;
  /** Writes are torn at multiples of it. */
  readonly blockBytes: number;
  readonly syncMsMax: number;
  /** Of syncs: they take up to `stallMsMax`. */
  readonly stallRate: number;
  readonly stallMsMax: number;
}

/** How often faults come: milliseconds from one to the next on average; 0 for never. */
export interface BrokerFaultSwarm {
  readonly killBrokerMs: number;
  /** It is killed, and back before anybody has noticed. */
  readonly bounceBrokerMs: number;
  /** The power of its machine goes: between two events, or in the middle of a write. */
  readonly cutPowerMs: number;
  readonly stopBrokerMs: number;
  readonly pauseBrokerMs: number;
  /** All of them, at once. */
  readonly killAllMs: number;
  readonly cutAllPowerMs: number;
  /** Its next sync fails, and drops what it was to write. */
  readonly failSyncMs: number;
  /** Its next write fails. */
  readonly failWriteMs: number;
  readonly fillDiskMs: number;
  /** Its syncs do not come back for a while. */
  readonly stallDiskMs: number;
  /** The same, and then its power goes, and is back before anybody has noticed: it lacks what it was at. */
  readonly loseTailMs: number;
  /** It comes back with an empty disk. */
  readonly wipeDiskMs: number;
  /** It comes back, and what it had made durable has rotted, or is not found. */
  readonly rotDiskMs: number;
  /** What it had made durable rots as it runs, and somebody reads everything. */
  readonly rotAsItRunsMs: number;
  /** It comes back with its disk of an earlier start. */
  readonly restoreDiskMs: number;
  /** It comes back without one of its replicas. */
  readonly loseReplicaMs: number;
  /** Leaders of a partition follow each other fast, and hear nothing of each other. */
  readonly raceLeadersMs: number;
  readonly partitionMs: number;
  /** From all other machines, coordinators too. */
  readonly isolateBrokerMs: number;
  readonly breakConnectionsMs: number;
  readonly killCoordinatorMs: number;
  readonly pauseCoordinatorMs: number;
  readonly storeDownMs: number;
}

/** How often something happens when a leader asks for one more in-sync replica: shares of such requests. */
interface JoinSwarm {
  /** It is held up, and the newcomer loses its replica meanwhile. */
  readonly lateRate: number;
  /** It is done, and the leader does not hear of it, nor from the newcomer. */
  readonly untoldRate: number;
}

/** A topic of the load. */
export interface TopicSwarm {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInSync: number;
  readonly flush: 'commit' | 'interval';
  /** Undefined: its records are not compacted. */
  readonly compaction: CompactionSwarm | undefined;
}

/** How a topic is compacted. */
interface CompactionSwarm {
  /** Its records have so many keys. */
  readonly keys: number;
  /** Of its records, so many are tombstones. */
  readonly tombstones: number;
  readonly minLagMs: number;
  readonly deleteRetentionMs: number;
  readonly dirtyRatio: number;
}

/** Everything that a seed of the brokers draws. */
export interface BrokerSwarm extends ClusterSwarm {
  readonly brokers: number;
  readonly topics: readonly TopicSwarm[];
  readonly segmentBytes: number;
  /** Of a broker: its budgets derive from it. */
  readonly memoryBytes: number;
  /** Whether what was appended last is read from memory, or everything from the disk. */
  readonly isCached: boolean;
  /** With the native client. */
  readonly producers: number;
  /** That number their batches themselves, and send each until it is answered. */
  readonly idempotentProducers: number;
  readonly readers: number;
  /** Between two deletions of the oldest records, on average; 0 for never. */
  readonly trimMs: number;
  /** Between two looks at which logs are to be compacted. */
  readonly compactMs: number;
  readonly lingerMs: number;
  readonly valueBytesMax: number;
  /** Between two sends of a producer, on average. */
  readonly operationMs: number;
  /** Of one send. */
  readonly recordsMax: number;
  readonly safetyMs: number;
  readonly disk: DiskSwarm;
  readonly faults: BrokerFaultSwarm;
  readonly joins: JoinSwarm;
  readonly groups: GroupsSwarm;
}

/** How many replicas of every partition have to be there at least, as far as it has as many. */
export function leastInSync({ topics, offsetsTopic }: BrokerSwarm): number {
  const ofGroups = offsetsTopic === undefined ? 1 : minInSyncReplicas({}, {}, offsetsTopic.replicationFactor);
  return Math.max(ofGroups, ...topics.map(({ minInSync }) => minInSync));
}

/**
 * Draws a configuration. Every rate may be zero, so that the rest is met without it.
 *
 * @param scale - how long the faults last and the load is, as a multiple of what `npm test` has time for
 */
export function brokerSwarmOf(seed: number, scale = 1): BrokerSwarm {
  const chance = new Chance(seed, 'broker swarm');
  const isCalm = chance.happens(0.1);
  const rate = (max: number): number => (isCalm || chance.happens(0.4) ? 0 : chance.between(0, max));
  const every = (minMs: number, maxMs: number, never = 0.4): number =>
    isCalm || chance.happens(never) ? 0 : Math.round(chance.between(minMs, maxMs));
  const brokers = chance.whole(3, chance.pick([3, 3, 5, 7]));
  // Of its own, so that it does not shift what else is drawn.
  const compaction = new Chance(seed, 'compaction');
  const topics = Array.from({ length: chance.whole(1, 3) }, (_, i) => ({
    ...topicOf(`topic-${i + 1}`, brokers, chance),
    compaction: compactionOf(compaction),
  }));
  const ofGroups = new Chance(seed, 'groups');
  const offsetsTopic = offsetsTopicOf(ofGroups, brokers);
  const names = topics.map(({ name }) => name);
  const groups = groupsOf(ofGroups, names);
  return {
    isOrderly: false,
    coordinators: chance.pick([1, 1, 2, 3]),
    ...(groups.groups.length === 0 ? {} : { offsetsTopic }),
    groups,
    brokers,
    topics,
    segmentBytes: chance.pick([4 * KIB, 16 * KIB, 64 * KIB, 1024 * KIB]),
    memoryBytes: chance.pick([4, 16, 256]) * KIB * KIB,
    isCached: chance.happens(0.6),
    producers: chance.whole(1, 3),
    idempotentProducers: chance.whole(0, 2),
    readers: chance.whole(1, 3),
    trimMs: chance.pick([0, 0, 0, 500, 3_000]),
    compactMs: compaction.pick([500, 1_000, 3_000]),
    lingerMs: chance.pick([0, 0, 5, 50]),
    valueBytesMax: chance.pick([20, 200, 2_000]),
    operationMs: Math.round(chance.between(40, 250)),
    recordsMax: chance.pick([1, 2, 6]),
    safetyMs: scale * chance.whole(8, 20) * 1_000,
    disk: {
      capacityBytes: chance.pick([32, 64, 256]) * KIB * KIB,
      blockBytes: chance.pick([64, 512, 4_096]),
      syncMsMax: chance.pick([0.2, 2, 10, 50]),
      stallRate: rate(0.01),
      stallMsMax: chance.pick([200, 2_000, 8_000]),
    },
    network: networkOf(chance, rate),
    store: storeOf(chance, isCalm),
    faults: {
      killBrokerMs: every(2_000, 12_000, 0.3),
      bounceBrokerMs: every(800, 8_000, 0.5),
      cutPowerMs: every(2_000, 12_000, 0.3),
      stopBrokerMs: every(4_000, 15_000),
      pauseBrokerMs: every(3_000, 15_000),
      killAllMs: every(8_000, 30_000, 0.7),
      cutAllPowerMs: every(8_000, 30_000, 0.7),
      failSyncMs: every(4_000, 20_000, 0.6),
      failWriteMs: every(6_000, 30_000, 0.8),
      fillDiskMs: every(6_000, 30_000, 0.7),
      stallDiskMs: every(4_000, 20_000, 0.6),
      wipeDiskMs: every(4_000, 20_000, 0.5),
      rotDiskMs: every(4_000, 20_000, 0.5),
      partitionMs: every(3_000, 15_000),
      isolateBrokerMs: every(4_000, 15_000, 0.6),
      breakConnectionsMs: every(1_000, 10_000),
      killCoordinatorMs: every(5_000, 30_000, 0.6),
      pauseCoordinatorMs: every(5_000, 30_000, 0.7),
      storeDownMs: every(10_000, 30_000, 0.8),
      restoreDiskMs: every(2_000, 12_000, 0.5),
      rotAsItRunsMs: every(1_500, 8_000, 0.5),
      loseReplicaMs: every(3_000, 15_000, 0.5),
      raceLeadersMs: every(3_000, 15_000, 0.5),
      loseTailMs: every(2_000, 12_000, 0.5),
    },
    joins: { lateRate: rate(0.6), untoldRate: rate(0.6) },
  };
}

function topicOf(name: string, brokers: number, chance: Chance): Omit<TopicSwarm, 'compaction'> {
  const replicationFactor = chance.whole(1, Math.min(REPLICATION_FACTOR_MAX, brokers));
  return {
    name,
    partitions: chance.whole(1, 3),
    replicationFactor,
    minInSync: chance.whole(1, Math.min(3, replicationFactor)),
    flush: chance.happens(0.75) ? 'commit' : 'interval',
  };
}

function compactionOf(chance: Chance): CompactionSwarm | undefined {
  if (chance.happens(0.5)) return undefined;
  return {
    keys: chance.pick([1, 3, 20]),
    tombstones: chance.pick([0, 0.1, 0.5]),
    minLagMs: chance.pick([0, 0, 1_000]),
    deleteRetentionMs: chance.pick([0, 500, 36_000_000]),
    dirtyRatio: chance.pick([0, 0.2, 0.5]),
  };
}

function networkOf(chance: Chance, rate: (max: number) => number): NetworkSwarm {
  return {
    delayMinMs: 0.1,
    delayMaxMs: chance.pick([1, 1, 5, 50]),
    spikeRate: rate(0.005),
    quietDeathRate: rate(1),
    queueMax: chance.pick([5, 100, 1_000]),
  };
}

/** The store is better than that of the coordinators' seeds, which are about its faults. */
function storeOf(chance: Chance, isCalm: boolean): StoreSwarm {
  const rate = isCalm || chance.happens(0.5) ? 0 : chance.pick([0.02, 0.05]);
  return {
    delayMaxMs: chance.pick([1, 5]),
    slowRate: rate,
    answerLostRate: rate,
    requestLostRate: rate,
    lateRate: rate,
    leaseLateMaxMs: 500,
    leaderChangeMs: 0,
    compactMs: 0,
    watchStallRate: rate,
    watchFaultRate: 0,
    watchRepeatRate: rate,
  };
}
