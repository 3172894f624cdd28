import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { WeirError } from '@weir/base/errors.ts';
import { InitProducerIdRequestSchema } from '@weir/proto/weir/broker/v1/broker_pb.js';
import { AllocateProducerIdsResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { ProducerIds } from '../kafka/producer-ids.ts';
import { initProducerIdHandler } from './init-producer-id.ts';

test('a native producer gets an id that no other one has, Kafka’s included, in epoch 0', async () => {
  let blocks = 0;
  const allocateProducerIds = async () =>
    create(AllocateProducerIdsResponseSchema, { firstId: BigInt(100 * ++blocks), count: 2 });
  const ids = new ProducerIds({ allocateProducerIds }, () => ({ brokerId: 1, brokerEpoch: 7 }));
  expect([await asked(ids), await ids.take(), await asked(ids)]).toEqual([
    { producerId: 100n, producerEpoch: 0 },
    101,
    { producerId: 200n, producerEpoch: 0 },
  ]);
});

test('while the coordinator gives none the call is refused with its reason', async () => {
  const away = new WeirError('COORDINATOR_UNAVAILABLE', 'away');
  const ids = new ProducerIds({ allocateProducerIds: () => Promise.reject(away) }, () => ({
    brokerId: 1,
    brokerEpoch: 7,
  }));
  await expect(asked(ids)).rejects.toBe(away);
});

async function asked(ids: ProducerIds): Promise<object> {
  const handler = initProducerIdHandler(ids);
  if (handler.kind !== 'call') throw new Error('a call is expected');
  const { producerId, producerEpoch } = await handler.answer(create(InitProducerIdRequestSchema), {}, 'test');
  return { producerId, producerEpoch };
}
