import { setTimeout as pause } from 'node:timers/promises';
import { REPLICA_LAG_TIME_MAX_MS } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import type { Place } from '../cluster/network.ts';
import { onCluster } from '../cluster/trial.ts';
import type { Trial } from '../cluster/trial.ts';
import { ONE_GROUP } from '../groups/usual-groups.ts';

/** Long enough for sessions, leases and lagging followers to be given up. */
const LONG_MS = REPLICA_LAG_TIME_MAX_MS + 8_000;
/** A leader looks now and then, and what it writes has to become known. */
const DETECTED_WITHIN_MS = 2 * REPLICA_LAG_TIME_MAX_MS;
const STORM_MS = 15_000;

/** A leader that everybody reaches but its followers. */
export const isolatedLeader = onCluster({
  name: 'isolated-leader',
  title: '8: a leader is cut off from its followers, not from the coordinator and clients',
  groups: ONE_GROUP,
  async inject(trial) {
    const { network } = trial.cluster;
    const leader = await trial.leaderOf(0);
    const led = trial.observer.partitions.filter((partition) => partition.leader === leader.id);
    trial.injected(`${leader.name}, which leads ${led.length} partitions, is cut off from the other brokers`);
    for (const other of trial.cluster.others(leader)) network.cut(leader.place, other.place);
    await pause(LONG_MS);
    const alone = trial.observer.partitions.filter(({ leader: id, isr }) => id === leader.id && isr.length === 1);
    const before = alone.map(({ index }) => trial.lanes.acknowledgedOn(index));
    await trial.untilProgress(
      othersThan(
        trial,
        alone.map(({ index }) => index),
      ),
    );
    const more = alone.filter(({ index }, i) => trial.lanes.acknowledgedOn(index) > before[i]!);
    trial.report.check(
      alone.length > 0 && more.length === 0,
      'who is in sync alone acknowledges nothing',
      `${alone.length} partitions`,
    );
    network.heal();
    trial.injected('the links are mended');
  },
});

/** A leader whose session ends while it goes on. */
export const leaderWithoutCoordinator = onCluster({
  name: 'no-coordinator',
  title: '9: a leader is cut off from the coordinator alone',
  groups: ONE_GROUP,
  async inject(trial) {
    const { network } = trial.cluster;
    for (let i = 0; i < 2; i++) {
      const leader = await trial.leaderOf(i);
      trial.injected(`${leader.name}, which leads ${trial.ledBy(leader)} partitions, is cut off from the coordinator`);
      for (const { place } of trial.cluster.coordinators) network.cut(leader.place, place);
      await trial.leaderOf(i, [leader]);
      trial.injected('others lead');
      await trial.untilProgress();
      await trial.untilOut(leader);
      network.heal();
      trial.injected('the link is mended');
      await trial.untilInSync();
    }
  },
});

/** Packets get through in one direction. */
export const oneWay = onCluster({
  name: 'one-way',
  title: '10: a leader is not reached by followers, or by the coordinator, which it reaches',
  async inject(trial) {
    const { cluster } = trial;
    const { network } = cluster;
    const leader = await trial.leaderOf(0);
    const [follower, other] = cluster.others(leader);
    const ways: readonly (readonly [string, Place, Place])[] = [
      ['a follower does not reach the leader', leader.place, follower!.place],
      ['the leader does not reach a follower', follower!.place, leader.place],
      ['the coordinator does not reach a broker', other!.place, cluster.coordinators[0]!.place],
      ['clients do not reach a broker', leader.place, network.clients],
    ];
    for (const [what, host, from] of ways) {
      trial.injected(what);
      network.cutOneWay(host, from);
      await pause(LONG_MS);
      network.heal();
      trial.injected('the way is open again');
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

/** Links stop one by one, and come back in another order (FoundationDB's swizzle-clogging). */
export const swizzle = onCluster({
  name: 'swizzle',
  title: '11: links are cut one by one and mended in random order, three times',
  async inject(trial) {
    const { network } = trial.cluster;
    for (let round = 0; round < 3; round++) {
      const links = shuffled(linksOf(trial), trial.random).slice(0, 2 + Math.floor(trial.random.unit() * 6));
      for (const [host, other] of links) {
        trial.injected(`${host.name} and ${other.name} are cut off from each other`);
        network.cut(host, other);
        await pause(trial.random.unit() * 4_000);
      }
      for (const [host, other] of shuffled(links, trial.random)) {
        network.mend(host, other);
        trial.injected(`${host.name} and ${other.name} reach each other`);
        await pause(trial.random.unit() * 2_000);
      }
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

/** Connections break all the time. */
export const resetStorm = onCluster({
  name: 'reset-storm',
  title: '12: connections among brokers, coordinator and clients are reset again and again',
  async inject(trial) {
    const { network } = trial.cluster;
    let resets = 0;
    trial.injected('the storm begins');
    for (const untilMs = performance.now() + STORM_MS; performance.now() < untilMs; resets++) {
      const [link] = shuffled(linksOf(trial), trial.random);
      network.cut(...link!, 'reset');
      await pause(20 + trial.random.unit() * 100);
      network.mend(...link!, 'reset');
      await pause(trial.random.unit() * 200);
    }
    trial.injected(`the storm is over: ${resets} times a link was reset`);
    trial.report.check(resets > STORM_MS / 500, 'there was a storm', `${resets} resets`);
  },
});

/** Links that carry little and lose packets. */
export const slowLinks = onCluster({
  name: 'slow-links',
  title: '13: replication takes 50 to 100 ms each way, brokers have 3 Mbit/s, and 2 % of the packets to them are lost',
  topology: { replicationDelays: true },
  async inject(trial) {
    const { cluster, observer } = trial;
    const before = observer.isrChanges;
    trial.injected('links are slow');
    cluster.replicationDelayMs = [50, 100];
    for (const { place } of cluster.brokers) cluster.network.degrade(place, { mbitPerSecond: 3, loss: 0.02 });
    await pause(2 * LONG_MS);
    await trial.untilProgress();
    cluster.network.heal();
    cluster.replicationDelayMs = [0, 0];
    trial.injected('links are as before');
    trial.report.check(
      observer.isrChanges === before,
      'the ISR does not flap',
      `${observer.isrChanges - before} changes`,
    );
  },
});

/** Two brokers that do not reach each other, and are not told. */
export const halfOpen = onCluster({
  name: 'half-open',
  title: '14: two brokers lose all packets between them, and no connection breaks',
  async inject(trial) {
    const { cluster, observer, report } = trial;
    const leader = await trial.leaderOf(0);
    const [follower] = cluster.others(leader);
    const cutMs = performance.now();
    trial.injected(`${leader.name} and ${follower!.name} are cut off from each other`);
    cluster.network.cut(leader.place, follower!.place);
    const pair = [leader.id, follower!.id];
    // Each leaves the ISR of what the other one leads.
    await trial.until("both are out of each other's ISR", () =>
      observer.partitions.every(({ leader: id, isr }) => !pair.includes(id) || !pair.every((one) => isr.includes(one))),
    );
    const ms = performance.now() - cutMs;
    trial.injected("they are out of each other's ISR");
    report.check(
      ms <= DETECTED_WITHIN_MS,
      'it is noticed within twice the lag that followers may have',
      `${ms.toFixed(0)} ms`,
    );
    await trial.untilProgress();
    cluster.network.heal();
    trial.injected('the link is mended');
  },
});

/** Every link of a broker: to other brokers, coordinators and clients. */
function linksOf({ cluster }: Trial): (readonly [Place, Place])[] {
  const brokers = cluster.brokers.map(({ place }) => place);
  const others = [...cluster.coordinators.map(({ place }) => place), cluster.network.clients];
  return brokers.flatMap((host, i) => [...brokers.slice(i + 1), ...others].map((other) => [host, other] as const));
}

function othersThan({ topic }: Trial, partitions: readonly number[]): number[] {
  return Array.from({ length: topic.partitions }, (_, i) => i).filter((i) => !partitions.includes(i));
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keys = new Map(items.map((item) => [item, random.unit()]));
  return items.toSorted((a, b) => keys.get(a)! - keys.get(b)!);
}
