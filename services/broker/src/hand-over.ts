import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Clock } from '@weir/base/clock.ts';
import { HAND_OVER_MS_MAX, HAND_OVER_POLL_MS } from '@weir/base/limits.ts';
import { CoordinatorService, DrainBrokerRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { DrainBrokerRequest, DrainBrokerResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';

/** Moves leadership away from a broker. */
export const DRAIN_BROKER = protobufMethod(CoordinatorService.method.drainBroker);

/**
 * Has other replicas lead what this broker leads, before it stops: clients go over to them at once, instead of when the
 * session has ended. Returns when nothing more can move, or after HAND_OVER_MS_MAX.
 *
 * @throws WeirError (as a rejection) when no coordinator can be asked
 */
export async function handOver(
  broker: { readonly brokerId: number; readonly brokerEpoch: number },
  clock: Clock,
  ask: (request: DrainBrokerRequest) => Promise<DrainBrokerResponse>,
): Promise<void> {
  const untilMs = clock.monotonicMs() + HAND_OVER_MS_MAX;
  const request = create(DrainBrokerRequestSchema, { ...broker, brokerEpoch: BigInt(broker.brokerEpoch) });
  for (;;) {
    const { knownToBroker, awaitedCount } = await ask(request);
    if ((knownToBroker && awaitedCount === 0) || clock.monotonicMs() >= untilMs) return;
    await sleep(clock, HAND_OVER_POLL_MS);
  }
}
