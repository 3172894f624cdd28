import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  CreatePartitionsResponseSchema,
  CreatePartitionsResultSchema,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  CreatePartitionsResult,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Coordinator } from '../coordinator.ts';
import type { GrowthResult } from '../controller/create-partitions.ts';

/** Answers CreatePartitions. Rejects with a WeirError when the request as a whole is refused. */
export function createPartitions(
  coordinator: Coordinator,
  request: CreatePartitionsRequest,
): Promise<CreatePartitionsResponse> {
  return new Promise((resolve, reject) => {
    if (request.topics.length > TOPICS_PER_REQUEST_MAX) {
      const message = `a request adds partitions to at most ${TOPICS_PER_REQUEST_MAX} topics, not ${request.topics.length}`;
      throw new WeirError('INVALID_REQUEST', message);
    }
    const topics = request.topics.map(({ name, totalCount, assignments }) => ({
      name,
      totalCount,
      assignments: assignments.map(({ brokerIds }) => brokerIds),
    }));
    coordinator.submit({ kind: 'createPartitions', topics, validateOnly: request.validateOnly }, (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const results = result.kind === 'growths' ? result.results.map(resultMessage) : [];
      resolve(create(CreatePartitionsResponseSchema, { results }));
    });
  });
}

function resultMessage(result: GrowthResult): CreatePartitionsResult {
  switch (result.kind) {
    case 'refused': {
      const { name, refusal } = result;
      return create(CreatePartitionsResultSchema, { name, code: refusal.code, message: refusal.message });
    }
    case 'valid': {
      const { name, partitionCount } = result;
      return create(CreatePartitionsResultSchema, { name, code: 'NONE', partitionCount });
    }
    case 'grown': {
      const { name, partitionCount, revision } = result.topic;
      return create(CreatePartitionsResultSchema, { name, code: 'NONE', partitionCount, revision: BigInt(revision) });
    }
  }
}
