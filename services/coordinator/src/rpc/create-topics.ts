import { create } from '@bufbuild/protobuf';
import { topicId, uuidFromRandom } from '@weir/base/ids.ts';
import { WeirError } from '@weir/base/errors.ts';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import type { Random } from '@weir/base/random.ts';
import { CreateTopicResultSchema, CreateTopicsResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  CreateTopicResult,
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Coordinator } from '../coordinator.ts';
import type { CreateTopics, TopicResult } from '../controller/create-topics.ts';
import { topicMessage } from './messages.ts';

/** Answers CreateTopics. Rejects with a WeirError when the request as a whole is refused. */
export function createTopics(
  coordinator: Coordinator,
  random: Random,
  request: CreateTopicsRequest,
): Promise<CreateTopicsResponse> {
  return new Promise((resolve, reject) => {
    if (request.topics.length > TOPICS_PER_REQUEST_MAX) {
      const message = `a request creates at most ${TOPICS_PER_REQUEST_MAX} topics, not ${request.topics.length}`;
      throw new WeirError('INVALID_REQUEST', message);
    }
    coordinator.submit(commandOf(request, random), (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const results = result.kind === 'topics' ? result.results.map(resultMessage) : [];
      resolve(create(CreateTopicsResponseSchema, { results }));
    });
  });
}

function commandOf(request: CreateTopicsRequest, random: Random): CreateTopics {
  const topics = request.topics.map(({ name, partitionCount, replicationFactor, configs, assignments }) => ({
    name,
    id: topicId(uuidFromRandom(random.bytes(16))),
    partitionCount,
    replicationFactor,
    configs,
    assignments: assignments.map(({ partition, brokerIds }) => ({ partition, brokers: brokerIds })),
  }));
  const { validateOnly, autoCreate, internal } = request;
  return { kind: 'createTopics', topics, validateOnly, autoCreate, internal };
}

function resultMessage(result: TopicResult): CreateTopicResult {
  switch (result.kind) {
    case 'refused': {
      const { name, refusal } = result;
      return create(CreateTopicResultSchema, { name, code: refusal.code, message: refusal.message });
    }
    case 'valid':
    case 'created': {
      const { topic, replicationFactor } = result;
      return create(CreateTopicResultSchema, {
        name: topic.name,
        code: 'NONE',
        topic: topicMessage(topic),
        revision: result.kind === 'created' ? BigInt(result.topic.revision) : 0n,
        replicationFactor,
      });
    }
  }
}
