import { setTimeout as pause } from 'node:timers/promises';
import { onCluster } from '../cluster/trial.ts';
import { MEMBER_SESSION_MS } from '../groups/groups.ts';
import { GROUPED_PARTITIONS, USUAL_GROUPS } from '../groups/usual-groups.ts';

const GROWN_PARTITIONS = GROUPED_PARTITIONS + 2;

/** Topics that the groups' pattern matches come and grow while brokers and members die. */
export const topicsAppear = onCluster({
  name: 'topics-appear',
  title: 'a topic that the pattern of the groups matches, and partitions of one that they read, come during faults',
  partitions: GROUPED_PARTITIONS,
  groups: USUAL_GROUPS,
  async inject(trial) {
    const { topics, groups } = trial;
    const [native, , classic] = groups.all;
    trial.injected('a topic comes');
    await topics.create({ name: 'records-more', partitions: 2 });
    await trial.untilGroupsProgress();

    const broker = await trial.coordinatorOf(native!);
    trial.injected(`kill -9 of ${broker.name}, which coordinates ${native!.id}`);
    await broker.kill();
    await trial.coordinatorOf(native!, [broker]);
    trial.injected(`${trial.topic.name} grows to ${GROWN_PARTITIONS} partitions`);
    await topics.grow(trial.topic, GROWN_PARTITIONS);
    await trial.untilGroupsProgress();
    await broker.start();
    trial.injected(`${broker.name} is back`);
    await trial.untilInSync();

    const paused = groups.all.map((group) => group.owner(trial.random));
    trial.injected(`SIGSTOP to ${paused.map(({ name }) => name).join(', ')}`);
    for (const member of paused) member.pause();
    await pause(trial.random.unit() * MEMBER_SESSION_MS);
    trial.injected('another topic comes');
    await topics.create({ name: 'records-again', partitions: 3 });
    await pause(trial.random.unit() * 2 * MEMBER_SESSION_MS);
    for (const member of paused) member.resume();
    trial.injected('they go on');
    const next = await trial.coordinatorOf(classic!);
    trial.injected(`kill -9 of ${next.name}, which coordinates ${classic!.id}; back at once`);
    await next.kill();
    await next.start();
    await trial.untilGroupsProgress();
  },
});
