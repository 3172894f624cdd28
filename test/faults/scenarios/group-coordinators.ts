import { setTimeout as pause } from 'node:timers/promises';
import { REPLICA_LAG_TIME_MAX_MS } from '@weir/base/limits.ts';
import { onCluster } from '../cluster/trial.ts';
import type { Trial } from '../cluster/trial.ts';
import type { Group } from '../groups/groups.ts';
import { machineMs } from '../groups/member-history.ts';
import { GROUPED_PARTITIONS, USUAL_GROUPS } from '../groups/usual-groups.ts';

const KILLS = 5;
const PAUSES = 3;
/** Long enough for followers that cannot be reached to be given up, and for sessions to end. */
const ISOLATED_MS = REPLICA_LAG_TIME_MAX_MS + 3_000;
/** What was under way when links were cut has arrived. */
const UNDER_WAY_MS = 1_000;

const grouped = { partitions: GROUPED_PARTITIONS, groups: USUAL_GROUPS };

/** Who coordinates a group dies, while a member that it has to notice does. */
export const groupCoordinatorKilled = onCluster({
  name: 'group-coordinator-killed',
  title: `2: kill -9 of the broker that coordinates a group, ${KILLS} times, of another group each time; a member with it every other time`,
  ...grouped,
  async inject(trial) {
    for (let i = 0; i < KILLS; i++) {
      const group = groupOf(trial, i);
      const broker = await trial.coordinatorOf(group);
      const member = i % 2 === 0 ? undefined : group.owner(trial.random);
      trial.injected(
        `kill -9 of ${broker.name}, which coordinates ${group.id}${member ? `, and of ${member.name}` : ''}`,
      );
      await Promise.all([broker.kill(), member?.kill()]);
      await pause(trial.random.unit() * 1_000);
      member?.start();
      // Every third time it is back before its session is over.
      if (i % 3 !== 2) {
        const next = await trial.coordinatorOf(group, [broker]);
        trial.injected(`${next.name} coordinates ${group.id}`);
        await trial.untilGroupsProgress([group]);
      }
      await broker.start();
      trial.injected(`${broker.name} is back`);
      await trial.untilInSync();
      await trial.untilGroupsProgress();
    }
  },
});

/** Who coordinates a group stands still while another one takes its place, and goes on as if nothing had been. */
export const groupCoordinatorPaused = onCluster({
  name: 'group-coordinator-paused',
  title: `7: the broker that coordinates a group is paused (SIGSTOP) for longer than its session, ${PAUSES} times`,
  ...grouped,
  async inject(trial) {
    for (let i = 0; i < PAUSES; i++) {
      const group = groupOf(trial, i);
      const broker = await trial.coordinatorOf(group);
      trial.injected(`SIGSTOP to ${broker.name}, which coordinates ${group.id}`);
      broker.pause();
      const next = await trial.coordinatorOf(group, [broker]);
      trial.injected(`${next.name} coordinates ${group.id}`);
      await trial.untilGroupsProgress();
      broker.resume();
      trial.injected(`${broker.name} goes on`);
      // What was asked of it and has waited in its sockets is around for a moment.
      await pause(trial.random.unit() * 1_000);
      await trial.untilInSync();
      await trial.untilGroupsProgress();
    }
  },
});

/** Who coordinates a group can store nothing, or does not hear that another one does. */
export const groupCoordinatorIsolated = onCluster({
  name: 'group-coordinator-isolated',
  title:
    '8, 9: the broker that coordinates a group is cut off from its followers; from the coordinator alone; from all of them',
  ...grouped,
  async inject(trial) {
    const { network, coordinators } = trial.cluster;
    const alone = groupOf(trial, 0);
    const first = await trial.coordinatorOf(alone);
    trial.injected(`${first.name}, which coordinates ${alone.id}, is cut off from the other brokers`);
    for (const { place } of trial.cluster.others(first)) network.cut(first.place, place);
    await pause(UNDER_WAY_MS);
    const cutMs = machineMs();
    await pause(ISOLATED_MS);
    const more = alone.members.flatMap(({ events }) =>
      events.filter(({ kind, atMs }) => kind === 'committed' && atMs > cutMs),
    );
    // On a machine that is very busy its session may end meanwhile, and another one take its place.
    const isStill = trial.groups.coordinatorId(alone) === first.id;
    trial.report.check(
      more.length === 0 || !isStill,
      'who reaches no follower stores no commit of its groups',
      isStill ? `${more.length}` : 'another one coordinates the group',
    );
    network.heal();
    trial.injected('the links are mended');
    await trial.untilInSync();
    await trial.untilGroupsProgress();
    for (const [i, isFromAll] of [false, true, false].entries()) {
      const group = groupOf(trial, i + 1);
      const broker = await trial.coordinatorOf(group);
      const from = isFromAll ? [...trial.cluster.others(broker), ...coordinators] : coordinators;
      const whom = isFromAll ? 'all brokers and the coordinator' : 'the coordinator';
      trial.injected(`${broker.name}, which coordinates ${group.id}, is cut off from ${whom}; members reach it`);
      for (const { place } of from) network.cut(broker.place, place);
      const next = await trial.coordinatorOf(group, [broker]);
      trial.injected(`${next.name} coordinates ${group.id}`);
      // A member dies of which the one that was cut off does not hear.
      const member = group.owner(trial.random);
      await member.kill();
      await trial.untilGroupsProgress([group]);
      member.start();
      network.heal();
      trial.injected('the links are mended');
      await trial.untilInSync();
      await trial.untilGroupsProgress();
    }
  },
});

function groupOf({ groups }: Trial, turn: number): Group {
  return groups.all[turn % groups.all.length]!;
}
