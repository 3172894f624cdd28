import { setTimeout as pause } from 'node:timers/promises';
import { FLUSH_INTERVAL_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { onCluster } from '../cluster/trial.ts';
import type { Trial } from '../cluster/trial.ts';
import { ONE_GROUP } from '../groups/usual-groups.ts';

const CUTS = 3;
/** Sessions end, and what is written meanwhile is much more than what is not synced. */
const PAUSED_MS = 2 * SESSION_TIMEOUT_MS;

/** The power of one broker after another fails. */
export const powerOne = onCluster({
  name: 'power-one',
  title: `4: the power of a leader fails, ${CUTS} times; flush=commit`,
  topology: { disks: 'loop' },
  inject: cutOne,
});

/** One replica at a time may lose what it had not synced: others have it. */
export const powerOneInterval = onCluster({
  name: 'power-one-interval',
  title: `4: the power of a leader fails, ${CUTS} times; flush=interval loses nothing either`,
  topology: { disks: 'loop' },
  flush: 'interval',
  inject: cutOne,
});

/** The power of the whole rack fails: what was acknowledged was on disks. */
export const powerAll = onCluster({
  name: 'power-all',
  title: `4: the power of all brokers fails at once, ${CUTS} times; flush=commit`,
  groups: ONE_GROUP,
  topology: { disks: 'loop' },
  inject: cutAll,
});

/** The same where nothing promises that, but that it goes on by itself. */
export const powerAllInterval = onCluster({
  name: 'power-all-interval',
  title: `4: the power of all brokers fails at once, ${CUTS} times; flush=interval may lose, and goes on`,
  topology: { disks: 'loop' },
  flush: 'interval',
  mayLose: true,
  inject: cutAll,
});

/** Jepsen's script that kills quorums which do not sync. */
export const pauseKill = onCluster({
  name: 'pause-kill',
  title: '5: two of five brokers pause, a third loses power, the rest pause, the two go on; flush=commit',
  topology: { brokers: 5, disks: 'loop' },
  inject: pauseAndKill,
});

export const pauseKillInterval = onCluster({
  name: 'pause-kill-interval',
  title: '5: the same with flush=interval, which loses nothing with one broker',
  topology: { brokers: 5, disks: 'loop' },
  flush: 'interval',
  inject: pauseAndKill,
});

/** Replicas leave one by one, and the last one loses its power when nobody is left. */
export const lastStanding = onCluster({
  name: 'last-standing',
  title: '6: followers are cut off one by one, and the power of the leader fails; then the links are mended',
  topology: { disks: 'loop' },
  async inject(trial) {
    const { cluster, observer, report } = trial;
    const leader = await trial.leaderOf(0);
    const followers = cluster.others(leader);
    for (const follower of followers) {
      trial.injected(`${follower.name} is cut off from all brokers and the coordinator`);
      const others = [...cluster.others(follower), ...cluster.coordinators];
      for (const { place } of others) cluster.network.cut(follower.place, place);
      await trial.until(`${follower.name} is out of the ISR of partition 0`, () => {
        const { isr = [] } = observer.partitions[0] ?? {};
        return !isr.includes(follower.id);
      });
    }
    trial.injected(`the power of ${leader.name} fails`);
    await leader.cutPower();
    const [, last] = followers;
    cluster.network.heal();
    trial.injected('the links are mended');
    const next = await trial.leaderOf(0, [leader]);
    report.check(next === last, 'who left last leads, as it holds all that was committed', next.name);
    await trial.untilProgress();
    await leader.start();
    trial.injected(`${leader.name} is back`);
  },
});

async function cutOne(trial: Trial): Promise<void> {
  for (let i = 0; i < CUTS; i++) {
    const leader = await trial.leaderOf(i);
    trial.injected(`the power of ${leader.name} fails, which leads ${trial.ledBy(leader)} partitions`);
    await leader.cutPower();
    if (i % 2 === 0) await trial.untilProgress();
    await leader.start();
    trial.injected(`${leader.name} is back`);
    await trial.untilInSync();
    await trial.untilProgress();
  }
}

async function cutAll(trial: Trial): Promise<void> {
  const { brokers } = trial.cluster;
  for (let i = 0; i < CUTS; i++) {
    // With flush=interval some of it is synced by then, mostly.
    await pause(i * trial.random.unit() * 2 * FLUSH_INTERVAL_MS);
    trial.injected('the power of all brokers fails');
    await Promise.all(brokers.map((broker) => broker.cutPower()));
    await Promise.all(brokers.map((broker) => broker.start()));
    trial.injected('all are back');
    await trial.untilInSync();
    await trial.untilProgress();
  }
}

async function pauseAndKill(trial: Trial): Promise<void> {
  const [first, second, third, ...rest] = trial.cluster.brokers;
  const minority = [first!, second!];
  trial.injected(`SIGSTOP to ${minority.map(({ name }) => name).join(' and ')}`);
  for (const broker of minority) broker.pause();
  await pause(PAUSED_MS);
  trial.injected(`the power of ${third!.name} fails`);
  await third!.cutPower();
  trial.injected(`SIGSTOP to ${rest.map(({ name }) => name).join(' and ')}`);
  for (const broker of rest) broker.pause();
  for (const broker of minority) broker.resume();
  trial.injected('those that paused first go on');
  await third!.start({ isReadyAwaited: false });
  trial.injected(`${third!.name} is back`);
  await pause(PAUSED_MS);
  for (const broker of rest) broker.resume();
  trial.injected('all go on');
}
