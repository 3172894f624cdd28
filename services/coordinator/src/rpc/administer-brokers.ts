import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { brokerId } from '@weir/base/ids.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import { PARTITIONS_NAMED_MAX } from '@weir/base/limits.ts';
import {
  DrainBrokerResponseSchema,
  LedReason,
  UndrainBrokerResponseSchema,
  UnregisterBrokerResponseSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  DrainBrokerRequest,
  DrainBrokerResponse,
  UndrainBrokerRequest,
  UndrainBrokerResponse,
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { drainProgress } from '../controller/drain-broker.ts';
import type { DrainBroker, DrainProgress, WhyLed } from '../controller/drain-broker.ts';
import type { UnregisterBroker } from '../controller/unregister-broker.ts';
import type { Coordinator } from '../coordinator.ts';

/** Answers DrainBroker. Rejects with a WeirError when the broker cannot be drained. */
export async function drainBroker(
  coordinator: Coordinator,
  { brokerId: id, brokerEpoch }: DrainBrokerRequest,
  peer: string,
): Promise<DrainBrokerResponse> {
  const broker = idOf(id);
  await done(coordinator, { kind: 'drainBroker', brokerId: broker, brokerEpoch: Number(brokerEpoch), peer });
  return progressMessage(drainProgress(coordinator.image, broker));
}

/** Answers UndrainBroker. Rejects with a WeirError when there is nothing to take back. */
export async function undrainBroker(
  coordinator: Coordinator,
  { brokerId: id, brokerEpoch }: UndrainBrokerRequest,
  peer: string,
): Promise<UndrainBrokerResponse> {
  await done(coordinator, { kind: 'undrainBroker', brokerId: idOf(id), brokerEpoch: Number(brokerEpoch), peer });
  return create(UndrainBrokerResponseSchema, { revision: BigInt(coordinator.image.revision) });
}

/** Answers UnregisterBroker. Rejects with a WeirError when the broker is not forgotten. */
export async function unregisterBroker(
  coordinator: Coordinator,
  { brokerId: id }: UnregisterBrokerRequest,
  peer: string,
): Promise<UnregisterBrokerResponse> {
  await done(coordinator, { kind: 'unregisterBroker', brokerId: idOf(id), peer });
  return create(UnregisterBrokerResponseSchema, { revision: BigInt(coordinator.image.revision) });
}

function idOf(id: number): BrokerId {
  if (id < 0) throw new WeirError('INVALID_REQUEST', `a broker's id is 0 or more, not ${id}`);
  return brokerId(id);
}

function done(coordinator: Coordinator, command: DrainBroker | UnregisterBroker): Promise<void> {
  return new Promise((resolve, reject) => {
    coordinator.submit(command, (result) => {
      if (result.kind === 'refused') reject(new WeirError(result.refusal.code, result.refusal.message));
      else resolve();
    });
  });
}

function progressMessage({ revision, isKnownToBroker, led }: DrainProgress): DrainBrokerResponse {
  return create(DrainBrokerResponseSchema, {
    revision: BigInt(revision),
    knownToBroker: isKnownToBroker,
    ledCount: led.length,
    led: led
      .slice(0, PARTITIONS_NAMED_MAX)
      .map(({ topic, partition, why }) => ({ topic, partition, reason: REASONS[why] })),
    awaitedCount: led.filter(({ why }) => why === 'othersLag').length,
  });
}

const REASONS: Readonly<Record<WhyLed, LedReason>> = {
  onlyReplica: LedReason.ONLY_REPLICA,
  othersAway: LedReason.OTHERS_AWAY,
  othersDrain: LedReason.OTHERS_DRAIN,
  othersLag: LedReason.OTHERS_LAG,
};
