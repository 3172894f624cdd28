import type { MessageInitShape } from '@bufbuild/protobuf';
import { uuidToBytes } from '@weir/base/ids.ts';
import { DoubtReason } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { BrokerRegistrationSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Identity } from './data-directory.ts';
import type { Doubt } from './partition/open-log.ts';
import type { DoubtfulReplica } from './partition/partitions-parts.ts';

/** What a broker says of itself when it registers. */
export type Registration = MessageInitShape<typeof BrokerRegistrationSchema>;

/** What stays the same for as long as the process runs. */
export interface RegistrationParts {
  readonly identity: Identity;
  /** host:port as others reach it. */
  readonly grpcAddress: string;
  /** host:port that Kafka clients are told; empty when it does not listen for them. */
  readonly kafkaAddress: string;
  /** host:port at which other brokers follow. */
  readonly replicationAddress: string;
  readonly rack: string;
}

/** The registration as it is now. It is built anew for each try: what is doubtful may have changed. */
export function registrationOf(parts: RegistrationParts, doubtful: readonly DoubtfulReplica[]): Registration {
  const { brokerId, directoryId, incarnationId, registeredIncarnationId, unsettledIncarnationIds } = parts.identity;
  return {
    brokerId,
    directoryId: uuidToBytes(directoryId),
    incarnationId: uuidToBytes(incarnationId),
    registeredIncarnationId: registeredIncarnationId === '' ? new Uint8Array(0) : uuidToBytes(registeredIncarnationId),
    unsettledIncarnationIds: unsettledIncarnationIds.map(uuidToBytes),
    grpcAddress: parts.grpcAddress,
    kafkaAddress: parts.kafkaAddress,
    replicationAddress: parts.replicationAddress,
    rack: parts.rack,
    doubtfulReplicas: doubtful.map(({ key, doubt }) => ({
      topicId: uuidToBytes(key.topicId),
      partition: key.index,
      reason: DOUBT_REASONS[doubt],
    })),
  };
}

/** Doubts as they travel. */
export const DOUBT_REASONS: Readonly<Record<Doubt, DoubtReason>> = {
  missing: DoubtReason.MISSING,
  damaged: DoubtReason.DAMAGED,
  unsynced: DoubtReason.UNSYNCED,
};
