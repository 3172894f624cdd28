import type { Scenario } from './scenario.ts';
import { cleanBounces, hardBounces, killAll } from './scenarios/bounces.ts';
import { bitRot } from './scenarios/bit-rot.ts';
import { coordinatorKills } from './scenarios/coordinators.ts';
import { descriptors } from './scenarios/descriptors.ts';
import { fullDisk } from './scenarios/full-disk.ts';
import { diskStall, syncErrorOnce } from './scenarios/gray-disks.ts';
import {
  groupCoordinatorIsolated,
  groupCoordinatorKilled,
  groupCoordinatorPaused,
} from './scenarios/group-coordinators.ts';
import { membersKilled, membersPaused, staticDuplicate } from './scenarios/group-members.ts';
import { topicsAppear } from './scenarios/group-topics.ts';
import { killAtRandom } from './scenarios/kill.ts';
import {
  halfOpen,
  isolatedLeader,
  leaderWithoutCoordinator,
  oneWay,
  resetStorm,
  slowLinks,
  swizzle,
} from './scenarios/links.ts';
import { zombieLeader } from './scenarios/pauses.ts';
import { powerCut, powerCutInterval, powerCutManyLogs } from './scenarios/power-cut.ts';
import {
  lastStanding,
  pauseKill,
  pauseKillInterval,
  powerAll,
  powerAllInterval,
  powerOne,
  powerOneInterval,
} from './scenarios/power-cuts.ts';
import { oldDisk, oldDiskFirst, rotAsItRuns, spoiltReplica, tornTail, wipedDisk } from './scenarios/spoilt-replicas.ts';
import { syncError } from './scenarios/sync-error.ts';
import { syncStall } from './scenarios/sync-stall.ts';
import { writeError } from './scenarios/write-error.ts';

/** One process on a disk that fails. */
const disk: readonly Scenario[] = [
  powerCut,
  powerCutManyLogs,
  powerCutInterval,
  killAtRandom,
  syncError,
  syncStall,
  writeError,
  fullDisk,
  bitRot,
  descriptors,
];

/** A replicated cluster of processes, by their numbers in the catalogue of faults. */
const cluster: readonly Scenario[] = [
  cleanBounces,
  hardBounces,
  killAll,
  powerOne,
  powerOneInterval,
  powerAll,
  powerAllInterval,
  pauseKill,
  pauseKillInterval,
  lastStanding,
  zombieLeader,
  isolatedLeader,
  leaderWithoutCoordinator,
  oneWay,
  swizzle,
  resetStorm,
  slowLinks,
  halfOpen,
  diskStall,
  syncErrorOnce,
  tornTail,
  spoiltReplica,
  rotAsItRuns,
  wipedDisk,
  oldDisk,
  oldDiskFirst,
  coordinatorKills,
  membersKilled,
  membersPaused,
  staticDuplicate,
  groupCoordinatorKilled,
  groupCoordinatorPaused,
  groupCoordinatorIsolated,
  topicsAppear,
];

/** All scenarios, in the order in which they run. */
export const families = { disk, cluster } as const;
