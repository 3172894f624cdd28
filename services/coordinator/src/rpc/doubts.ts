import { DoubtReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Doubt } from '../controller/partition.ts';

/** Why a replica is not to be trusted, from what a broker says. A reason that this version does not know is taken for the worst. */
export function doubtOf(reason: DoubtReason): Doubt {
  switch (reason) {
    case DoubtReason.UNSYNCED:
      return 'unsynced';
    case DoubtReason.MISSING:
      return 'missing';
    case DoubtReason.DAMAGED:
    case DoubtReason.UNSPECIFIED:
      return 'damaged';
    default:
      return 'damaged';
  }
}
