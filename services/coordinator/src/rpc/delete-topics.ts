import { create } from '@bufbuild/protobuf';
import type { Clock } from '@weir/base/clock.ts';
import { topicId, uuidFromBytes, uuidToBytes } from '@weir/base/ids.ts';
import { WeirError } from '@weir/base/errors.ts';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { DeleteTopicResultSchema, DeleteTopicsResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  DeleteTopicResult,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Coordinator } from '../coordinator.ts';
import type { DeletionResult, TopicToDelete } from '../controller/delete-topics.ts';

/** Answers DeleteTopics. Rejects with a WeirError when the request as a whole is refused. */
export function deleteTopics(
  coordinator: Coordinator,
  clock: Clock,
  request: DeleteTopicsRequest,
): Promise<DeleteTopicsResponse> {
  return new Promise((resolve, reject) => {
    if (request.topics.length > TOPICS_PER_REQUEST_MAX) {
      const message = `a request deletes at most ${TOPICS_PER_REQUEST_MAX} topics, not ${request.topics.length}`;
      throw new WeirError('INVALID_REQUEST', message);
    }
    const topics = request.topics.map(({ name, id }): TopicToDelete => {
      if (id.length === 0) return { name, id: undefined };
      if (id.length === 16) return { name, id: topicId(uuidFromBytes(id)) };
      throw new WeirError('INVALID_REQUEST', `a topic id has 16 bytes, not ${id.length}`);
    });
    coordinator.submit({ kind: 'deleteTopics', topics, nowMs: clock.wallMs() }, (result) => {
      if (result.kind === 'refused') return reject(new WeirError(result.refusal.code, result.refusal.message));
      const results = result.kind === 'deletions' ? result.results.map(resultMessage) : [];
      resolve(create(DeleteTopicsResponseSchema, { results }));
    });
  });
}

function resultMessage(result: DeletionResult): DeleteTopicResult {
  switch (result.kind) {
    case 'refused': {
      const { name, refusal } = result;
      return create(DeleteTopicResultSchema, { name, code: refusal.code, message: refusal.message });
    }
    case 'deleted': {
      const { id, name, revision } = result.deleted;
      return create(DeleteTopicResultSchema, {
        name,
        code: 'NONE',
        topicId: uuidToBytes(id),
        revision: BigInt(revision),
      });
    }
  }
}
