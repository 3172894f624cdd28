import { setTimeout as pause } from 'node:timers/promises';
import { onCluster } from '../cluster/trial.ts';
import { ONE_GROUP } from '../groups/usual-groups.ts';

/** A leader that stands still while others take its place, and goes on as if nothing had been. */
export const zombieLeader = onCluster({
  name: 'zombie-leader',
  title: '7: the leader is paused (SIGSTOP) for longer than its session, three times',
  groups: ONE_GROUP,
  async inject(trial) {
    for (let i = 0; i < 3; i++) {
      const leader = await trial.leaderOf(i);
      trial.injected(`SIGSTOP to ${leader.name}, which leads ${trial.ledBy(leader)} partitions`);
      leader.pause();
      await trial.leaderOf(i, [leader]);
      trial.injected('others lead');
      await trial.untilProgress();
      leader.resume();
      trial.injected(`${leader.name} goes on`);
      // Requests that it has not answered, and those it still has to send, are all around for a moment.
      await pause(trial.random.unit() * 1_000);
      await trial.untilInSync();
    }
  },
});
