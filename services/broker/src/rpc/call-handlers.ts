import type { Handler } from '@weir/base/transport.ts';
import type { ProducerIds } from '../kafka/producer-ids.ts';
import type { Partitions } from '../partition/partitions.ts';
import { consumerTreeHandlers } from './consumer-tree.ts';
import type { ConsumerTreeParts } from './consumer-tree.ts';
import { deleteRecordsHandler } from './delete-records.ts';
import { groupHandlers } from './group-service.ts';
import type { GroupServiceParts } from './group-service.ts';
import { initProducerIdHandler } from './init-producer-id.ts';
import { listOffsetsHandler } from './list-offsets.ts';

/** What they need. */
export interface CallParts extends GroupServiceParts, ConsumerTreeParts {
  readonly partitions: Partitions;
  readonly producerIds: ProducerIds;
}

/** All calls of the native API that are answered once; its streams are produce and fetch. */
export function callHandlers(parts: CallParts): Handler[] {
  const { partitions, clock, producerIds } = parts;
  return [
    listOffsetsHandler(partitions),
    deleteRecordsHandler(partitions, clock),
    initProducerIdHandler(producerIds),
    ...groupHandlers(parts),
    ...consumerTreeHandlers(parts),
  ];
}
