import { setTimeout as pause } from 'node:timers/promises';
import { SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { onCluster } from '../cluster/trial.ts';

const KILLS = 8;

/** Coordinators die while they elect leaders, and the other one takes over. */
export const coordinatorKills = onCluster({
  name: 'coordinator-kills',
  title: `25: a leader and, before its session has ended or just then, the active coordinator are killed, ${KILLS} times`,
  topology: { store: 'etcd' },
  async inject(trial) {
    const { cluster, random } = trial;
    for (let i = 0; i < KILLS; i++) {
      const leader = await trial.leaderOf(i % trial.topic.partitions);
      trial.injected(`kill -9 of ${leader.name}, which leads ${trial.ledBy(leader)} partitions`);
      await leader.kill();
      // Every other time among the writes that the broken connection brings, else around those of the session's end.
      await pause(random.unit() * (i % 2 === 0 ? 1_500 : 1.2 * SESSION_TIMEOUT_MS));
      const active = await cluster.activeCoordinator();
      trial.injected(`kill -9 of ${active.name}`);
      await active.kill();
      await pause(random.unit() * 500);
      await Promise.all([active.start({ isReadyAwaited: false }), leader.start()]);
      trial.injected(`${active.name} and ${leader.name} are back`);
      await trial.untilInSync();
      await trial.untilProgress();
    }
  },
});
