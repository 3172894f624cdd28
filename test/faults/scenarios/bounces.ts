import { setTimeout as pause } from 'node:timers/promises';
import { onCluster } from '../cluster/trial.ts';
import { ONE_GROUP } from '../groups/usual-groups.ts';

const BOUNCES = 5;

/** Leaders stop as a rolling restart stops them. */
export const cleanBounces = onCluster({
  name: 'clean-bounces',
  title: `1: the leader is stopped (SIGTERM) and started again, ${BOUNCES} times`,
  groups: ONE_GROUP,
  async inject(trial) {
    for (let i = 0; i < BOUNCES; i++) {
      const leader = await trial.leaderOf(i % trial.topic.partitions);
      const led = trial.ledBy(leader);
      trial.injected(`SIGTERM to ${leader.name}, which leads ${led} partitions`);
      const ending = await leader.stop();
      trial.report.check(ending?.code === 0, `${leader.name} stops`, `code ${ending?.code ?? ending?.signal}`);
      await trial.untilProgress();
      await leader.start();
      trial.injected(`${leader.name} is back`);
      await trial.untilInSync();
    }
  },
});

/** Leaders are killed, each as soon as the last one is back in sync. */
export const hardBounces = onCluster({
  name: 'hard-bounces',
  title: `2: kill -9 of the leader, started again, ${BOUNCES} times`,
  groups: ONE_GROUP,
  async inject(trial) {
    for (let i = 0; i < BOUNCES; i++) {
      const leader = await trial.leaderOf(i % trial.topic.partitions);
      trial.injected(`kill -9 of ${leader.name}, which leads ${trial.ledBy(leader)} partitions`);
      await leader.kill();
      // Every other time it is back before its session is over.
      if (i % 2 === 0) await trial.untilProgress();
      await leader.start();
      trial.injected(`${leader.name} is back`);
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});

/** All brokers are killed at once. */
export const killAll = onCluster({
  name: 'kill-all',
  title: '3: kill -9 of all brokers at once, three times',
  groups: ONE_GROUP,
  async inject(trial) {
    const { brokers } = trial.cluster;
    for (let i = 0; i < 3; i++) {
      trial.injected('kill -9 of all brokers');
      await Promise.all(brokers.map((broker) => broker.kill()));
      await pause(500 + trial.random.unit() * 3_000);
      await Promise.all(brokers.map((broker) => broker.start()));
      trial.injected('all are back');
      await trial.untilProgress();
    }
  },
});
