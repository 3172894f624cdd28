import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { brokerId } from '@weir/base/ids.ts';
import { AllocateProducerIdsResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Coordinator } from '../coordinator.ts';

/** Answers AllocateProducerIds. Rejects with a WeirError when the broker gets none. */
export function allocateProducerIds(
  coordinator: Coordinator,
  request: AllocateProducerIdsRequest,
): Promise<AllocateProducerIdsResponse> {
  return new Promise((resolve, reject) => {
    if (request.brokerId < 0)
      throw new WeirError('INVALID_REQUEST', `a broker's id is 0 or more, not ${request.brokerId}`);
    const brokerEpoch = Number(request.brokerEpoch);
    const command = { kind: 'allocateProducerIds', brokerId: brokerId(request.brokerId), brokerEpoch } as const;
    coordinator.submit(command, (result) => {
      if (result.kind === 'producerIds') {
        const { firstId, count } = result;
        resolve(create(AllocateProducerIdsResponseSchema, { firstId: BigInt(firstId), count }));
      } else if (result.kind === 'refused') reject(new WeirError(result.refusal.code, result.refusal.message));
    });
  });
}
