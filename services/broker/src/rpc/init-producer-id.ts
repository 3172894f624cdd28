import { create } from '@bufbuild/protobuf';
import { onCall } from '@weir/base/transport.ts';
import type { Handler } from '@weir/base/transport.ts';
import { BrokerService, InitProducerIdResponseSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { ProducerIds } from '../kafka/producer-ids.ts';

/** Gives new ids to idempotent producers, from the blocks that Kafka's producers get theirs from. */
export function initProducerIdHandler(producerIds: Pick<ProducerIds, 'take'>): Handler {
  return onCall(protobufMethod(BrokerService.method.initProducerId), async () =>
    create(InitProducerIdResponseSchema, { producerId: BigInt(await producerIds.take()), producerEpoch: 0 }),
  );
}
