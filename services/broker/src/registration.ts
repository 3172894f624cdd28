import type { MessageInitShape } from '@bufbuild/protobuf';
import { uuidFromRandom, uuidToBytes } from '@weir/base/ids.ts';
import { DoubtReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { BrokerRegistrationSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { World } from '@weir/runtime/world.ts';
import type { Identity } from './data-directory.ts';
import type { Doubt } from './partition/open-log.ts';
import type { DoubtfulReplica } from './partition/partitions.ts';

/** What a broker says of itself when it registers. */
export type Registration = MessageInitShape<typeof BrokerRegistrationSchema>;

/** What stays the same for as long as the process runs. */
export interface RegistrationParts {
  readonly identity: Identity;
  /** host:port as others reach it. */
  readonly grpcAddress: string;
  /** host:port that Kafka clients are told; empty when it does not listen for them. */
  readonly kafkaAddress: string;
  readonly rack: string;
  /** UUID of this start of the process. */
  readonly incarnationId: string;
}

/** A new incarnation id. */
export function newIncarnation(random: World['random']): string {
  return uuidFromRandom(random.bytes(16));
}

/** The registration as it is now. It is built anew for each try: what is doubtful may have changed. */
export function registrationOf(parts: RegistrationParts, doubtful: readonly DoubtfulReplica[]): Registration {
  return {
    brokerId: parts.identity.brokerId,
    directoryId: uuidToBytes(parts.identity.directoryId),
    incarnationId: uuidToBytes(parts.incarnationId),
    grpcAddress: parts.grpcAddress,
    kafkaAddress: parts.kafkaAddress,
    rack: parts.rack,
    doubtfulReplicas: doubtful.map(({ key, doubt }) => ({
      topicId: uuidToBytes(key.topicId),
      partition: key.index,
      reason: REASONS[doubt],
    })),
  };
}

const REASONS: Readonly<Record<Doubt, DoubtReason>> = {
  missing: DoubtReason.MISSING,
  damaged: DoubtReason.DAMAGED,
  unsynced: DoubtReason.UNSYNCED,
};
