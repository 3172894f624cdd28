import type { Scenario } from './scenario.ts';
import { bitRot } from './scenarios/bit-rot.ts';
import { descriptors } from './scenarios/descriptors.ts';
import { fullDisk } from './scenarios/full-disk.ts';
import { killAtRandom } from './scenarios/kill.ts';
import { powerCut, powerCutInterval, powerCutManyLogs } from './scenarios/power-cut.ts';
import { syncError } from './scenarios/sync-error.ts';
import { syncStall } from './scenarios/sync-stall.ts';
import { writeError } from './scenarios/write-error.ts';

/** All scenarios, in the order in which they run. */
export const scenarios: readonly Scenario[] = [
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
