import { Chance } from './engine/chance.ts';

/** What the network does to messages and connections. */
export interface NetworkSwarm {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** Of messages: delayed by a lost packet, and everything behind them. */
  readonly spikeRate: number;
  /** Of dying processes: nobody tells the others. */
  readonly quietDeathRate: number;
  readonly queueMax: number;
}

/** What the store does to requests, to leases and to watches. */
export interface StoreSwarm {
  readonly delayMaxMs: number;
  /** Shares of requests. */
  readonly slowRate: number;
  readonly answerLostRate: number;
  readonly requestLostRate: number;
  readonly lateRate: number;
  /** By how much leases end late, at most. */
  readonly leaseLateMaxMs: number;
  /** All leases have their whole time again, as with a new leader of etcd: milliseconds in between, on average; 0 for never. */
  readonly leaderChangeMs: number;
  /** Another user of the store compacts it: the same. */
  readonly compactMs: number;
  /** Of what a watch is sent: it comes seconds late, with all that is behind it. */
  readonly watchStallRate: number;
  /** Of what a watch is sent: instead of it the watch ends. */
  readonly watchFaultRate: number;
  /** Of what a watch is sent: some of it comes again. */
  readonly watchRepeatRate: number;
}

/** How often faults come: milliseconds from one to the next on average; 0 for never. */
export interface FaultSwarm {
  /**
   * The active coordinator is killed, stopped, paused or cut off from the store, once the one before that has been got over; of
   * two that stand by one may be cut off as well.
   */
  readonly changeCoordinatorMs: number;
  readonly killCoordinatorMs: number;
  readonly stopCoordinatorMs: number;
  readonly pauseCoordinatorMs: number;
  readonly isolateFromStoreMs: number;
  readonly storeDownMs: number;
  readonly restartBrokerMs: number;
  readonly pauseBrokerMs: number;
  readonly breakConnectionsMs: number;
  readonly partitionMs: number;
}

/** What every seed draws, of either kind. */
export interface ClusterSwarm {
  /** Nothing happens but that coordinators change, one at a time: no session is lost. */
  readonly isOrderly: boolean;
  readonly coordinators: number;
  /** What `__consumer_offsets` is created with, by whoever looks for a group first. */
  readonly offsetsTopic?: OffsetsTopicSwarm;
  readonly network: NetworkSwarm;
  readonly store: StoreSwarm;
}

/** Where consumer groups are kept. */
export interface OffsetsTopicSwarm {
  readonly partitions: number;
  readonly replicationFactor: number;
}

/** Everything that a seed of the coordinators draws. */
export interface Swarm extends ClusterSwarm {
  readonly brokers: number;
  readonly observers: number;
  /** Of the namespace. */
  readonly treeClients: number;
  readonly safetyMs: number;
  /** Between two requests of a client. */
  readonly operationMs: number;
  readonly names: number;
  readonly partitionsMax: number;
  readonly replicationFactorMax: number;
  /** Of restarts of a broker: with another directory, with doubtful replicas. */
  readonly otherDirectoryRate: number;
  readonly doubtfulRate: number;
  readonly faults: FaultSwarm;
}

/** Draws a configuration. Every rate may be zero, so that the rest is met without it, and an eighth of seeds are orderly. */
export function swarmOf(seed: number): Swarm {
  const chance = new Chance(seed, 'swarm');
  const isOrderly = chance.happens(0.125);
  const rate = (max: number): number => (isOrderly || chance.happens(0.3) ? 0 : chance.between(0, max));
  const every = (minMs: number, maxMs: number): number =>
    isOrderly || chance.happens(0.4) ? 0 : Math.round(chance.between(minMs, maxMs));
  return {
    isOrderly,
    coordinators: chance.pick(isOrderly ? [2, 3] : [1, 2, 3, 3]),
    brokers: chance.whole(1, 5),
    observers: chance.whole(0, 3),
    treeClients: chance.whole(0, 2),
    safetyMs: chance.whole(15, 50) * 1_000,
    operationMs: Math.round(chance.between(30, 800)),
    names: chance.whole(1, 8),
    partitionsMax: chance.happens(0.1) ? 150 : chance.whole(1, 6),
    replicationFactorMax: chance.whole(1, 3),
    otherDirectoryRate: rate(0.6),
    doubtfulRate: rate(0.6),
    network: {
      delayMinMs: 0.1,
      delayMaxMs: chance.pick(isOrderly ? [1, 5, 50] : [1, 5, 50, 250]),
      spikeRate: rate(0.02),
      quietDeathRate: isOrderly ? chance.pick([0, 0.5]) : rate(1),
      queueMax: chance.pick([2, 5, 1_000]),
    },
    store: {
      delayMaxMs: chance.pick([1, 5, 50]),
      slowRate: rate(0.05),
      answerLostRate: rate(0.1),
      requestLostRate: rate(0.1),
      lateRate: rate(0.1),
      // etcd looks every half a second.
      leaseLateMaxMs: isOrderly ? 500 : chance.pick([0, 500, 500, 3_000]),
      leaderChangeMs: every(3_000, 20_000),
      compactMs: every(1_000, 15_000),
      watchStallRate: rate(0.03),
      watchFaultRate: rate(0.01),
      watchRepeatRate: rate(0.03),
    },
    faults: {
      changeCoordinatorMs: isOrderly ? 2_000 : 0,
      killCoordinatorMs: every(3_000, 30_000),
      stopCoordinatorMs: every(4_000, 20_000),
      pauseCoordinatorMs: every(3_000, 20_000),
      isolateFromStoreMs: every(5_000, 30_000),
      storeDownMs: every(10_000, 50_000),
      restartBrokerMs: every(2_000, 15_000),
      pauseBrokerMs: every(4_000, 20_000),
      breakConnectionsMs: every(1_000, 15_000),
      partitionMs: every(4_000, 20_000),
    },
  };
}
