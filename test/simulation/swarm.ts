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

/** What the store does to requests: shares of them. */
export interface StoreSwarm {
  readonly delayMaxMs: number;
  readonly slowRate: number;
  readonly answerLostRate: number;
  readonly requestLostRate: number;
  readonly lateRate: number;
}

/** How often faults come: milliseconds from one to the next on average; 0 for never. */
export interface FaultSwarm {
  readonly killCoordinatorMs: number;
  readonly stopCoordinatorMs: number;
  readonly pauseCoordinatorMs: number;
  /** A coordinator is started while another one lives. */
  readonly secondCoordinatorMs: number;
  readonly isolateFromStoreMs: number;
  readonly restartBrokerMs: number;
  readonly pauseBrokerMs: number;
  readonly breakConnectionsMs: number;
  readonly partitionMs: number;
}

/** Everything that a seed draws. */
export interface Swarm {
  readonly coordinators: number;
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
  readonly network: NetworkSwarm;
  readonly store: StoreSwarm;
  readonly faults: FaultSwarm;
}

/** Draws a configuration. Every rate may be zero, so that the rest is met without it, and a tenth of seeds have no fault. */
export function swarmOf(seed: number): Swarm {
  const chance = new Chance(seed, 'swarm');
  const isCalm = chance.happens(0.1);
  const rate = (max: number): number => (isCalm || chance.happens(0.3) ? 0 : chance.between(0, max));
  const every = (minMs: number, maxMs: number): number =>
    isCalm || chance.happens(0.4) ? 0 : Math.round(chance.between(minMs, maxMs));
  return {
    coordinators: chance.pick([1, 2, 3, 3]),
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
      delayMaxMs: chance.pick([1, 5, 50, 250]),
      spikeRate: rate(0.02),
      quietDeathRate: rate(1),
      queueMax: chance.pick([2, 5, 1_000]),
    },
    store: {
      delayMaxMs: chance.pick([1, 5, 50]),
      slowRate: rate(0.05),
      answerLostRate: rate(0.1),
      requestLostRate: rate(0.1),
      lateRate: rate(0.1),
    },
    faults: {
      killCoordinatorMs: every(3_000, 30_000),
      stopCoordinatorMs: every(4_000, 20_000),
      pauseCoordinatorMs: every(3_000, 20_000),
      secondCoordinatorMs: every(5_000, 40_000),
      isolateFromStoreMs: every(5_000, 30_000),
      restartBrokerMs: every(2_000, 15_000),
      pauseBrokerMs: every(4_000, 20_000),
      breakConnectionsMs: every(1_000, 15_000),
      partitionMs: every(4_000, 20_000),
    },
  };
}
