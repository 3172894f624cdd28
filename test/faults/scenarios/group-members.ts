import { setTimeout as pause } from 'node:timers/promises';
import { onCluster } from '../cluster/trial.ts';
import type { Trial } from '../cluster/trial.ts';
import { MEMBER_SESSION_MS } from '../groups/groups.ts';
import type { Group } from '../groups/groups.ts';
import type { Member } from '../groups/member.ts';
import { commitsOf } from '../groups/member-commits.ts';
import { machineMs } from '../groups/member-history.ts';
import { ASLEEP_MS } from '../groups/member-settings.ts';
import { GROUPED_PARTITIONS, USUAL_GROUPS } from '../groups/usual-groups.ts';

/** Sessions end, others take over, and commit further. */
const PAUSED_MS = 2 * MEMBER_SESSION_MS;
const LATE_COMMIT_WITHIN_MS = 15_000;
const FENCED_WITHIN_MS = 20_000;
const POLL_MS = 50;

const grouped = { partitions: GROUPED_PARTITIONS, groups: USUAL_GROUPS };

/** Members are killed, and come back before or after others have what was theirs; others stop in order. */
export const membersKilled = onCluster({
  name: 'members-killed',
  title:
    '28: owners of partitions are killed, stopped and started again in each group; then all members of one at once',
  ...grouped,
  async inject(trial) {
    for (const group of trial.groups.all) {
      const killed = group.owner(trial.random);
      trial.injected(`kill -9 of ${killed.name}`);
      await killed.kill();
      await trial.untilGroupsSettled([group]);
      trial.injected('others have its partitions');
      await trial.untilGroupsProgress([group]);
      killed.start();
      await trial.untilGroupsSettled([group]);
      const bounced = group.owner(trial.random);
      trial.injected(`kill -9 of ${bounced.name}, started again at once`);
      await bounced.kill();
      bounced.start();
      await trial.untilGroupsSettled([group]);
      const stopped = group.owner(trial.random);
      trial.injected(`SIGTERM to ${stopped.name}`);
      const ending = await stopped.stop();
      trial.report.check(ending?.code === 0, `${stopped.name} stops`, `code ${ending?.code ?? ending?.signal}`);
      await pause(trial.random.unit() * 2_000);
      stopped.start();
    }
    await trial.untilGroupsSettled();
    for (const group of trial.groups.all) {
      trial.injected(`kill -9 of all of ${group.id}`);
      await Promise.all(group.members.map((member) => member.kill()));
      for (const member of group.members) member.start();
    }
    await trial.untilGroupsProgress();
  },
});

/** Members that stand still while others take over, and go on as if nothing had been. */
export const membersPaused = onCluster({
  name: 'members-paused',
  title:
    '28: an owner of each group is paused (SIGSTOP) for longer than its session, and commits when it goes on, twice',
  ...grouped,
  async inject(trial) {
    for (let i = 0; i < 2; i++) {
      // Every owner has something to commit late.
      await trial.untilGroupsProgress();
      const owners = trial.groups.all.map((group) => group.owner(trial.random));
      trial.injected(`SIGSTOP to ${namesOf(owners)}`);
      for (const owner of owners) owner.pause();
      await pause(PAUSED_MS + trial.random.unit() * 1_000);
      // Of all partitions: those who are left have theirs.
      await trial.untilGroupsProgress();
      trial.injected(`others go on; ${namesOf(owners)} as well`);
      const sinceMs = machineMs();
      for (const owner of owners) owner.resume();
      for (const owner of owners) await checkLateCommit(trial, owner, sinceMs);
      await trial.untilGroupsSettled();
    }
  },
});

/** Somebody starts a static member a second time. */
export const staticDuplicate = onCluster({
  name: 'static-duplicate',
  title: '28: a second process with the instance id of a member fences the first, which runs, or is paused and goes on',
  partitions: GROUPED_PARTITIONS,
  groups: USUAL_GROUPS.filter(({ id }) => id !== 'sticky').map((spec) => ({ ...spec, areStatic: true })),
  async inject(trial) {
    for (const isPaused of [false, true, false, true]) {
      for (const group of trial.groups.all) await duplicate(trial, group, isPaused);
    }
    for (const group of trial.groups.all) {
      const owner = group.owner(trial.random);
      trial.injected(`kill -9 of ${owner.name}, which is back within its session`);
      await owner.kill();
      await pause(trial.random.unit() * 1_000);
      owner.start();
    }
  },
});

async function duplicate(trial: Trial, group: Group, isPaused: boolean): Promise<void> {
  await trial.untilGroupsSettled([group]);
  const first = group.owner(trial.random);
  if (isPaused) first.pause();
  const twin = group.twinOf(first);
  trial.injected(`${twin.name} in the place of ${first.name}, which ${isPaused ? 'is paused' : 'runs'}`);
  twin.start();
  await trial.untilGroupsProgress([group]);
  if (isPaused) {
    // So that it takes itself for one that was asleep.
    await pause(ASLEEP_MS);
    const sinceMs = machineMs();
    first.resume();
    await checkLateCommit(trial, first, sinceMs);
  }
  const isGone = await Promise.race([first.ending.then(() => true), pause(FENCED_WITHIN_MS, false)]);
  const isFenced = first.events.some(({ kind }) => kind === 'fenced');
  trial.report.check(isGone && isFenced, `${first.name} is told that ${twin.name} has its place, and ends`);
  await first.kill();
}

/** The first commit of a member that has stood still has to come, and has to be refused. */
async function checkLateCommit(trial: Trial, member: Member, sinceMs: number): Promise<void> {
  const late = (): string | undefined => {
    const [latest] = member.histories().slice(-1);
    const commit = latest === undefined ? undefined : commitsOf(latest).find(({ invokedMs }) => invokedMs >= sinceMs);
    return commit?.acknowledgedMs === Infinity ? commit.refusal : commit && 'it is acknowledged';
  };
  for (const untilMs = performance.now() + LATE_COMMIT_WITHIN_MS; late() === undefined; await pause(POLL_MS)) {
    if (performance.now() > untilMs) break;
  }
  const outcome = late() ?? 'it has no outcome';
  const codes = ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'];
  trial.report.check(codes.includes(outcome), `the late commit of ${member.name} is refused`, outcome);
}

function namesOf(members: readonly Member[]): string {
  return members.map(({ name }) => name).join(', ');
}
