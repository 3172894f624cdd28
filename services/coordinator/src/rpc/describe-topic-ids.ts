import { create } from '@bufbuild/protobuf';
import { topicId, uuidFromBytes } from '@weir/base/ids.ts';
import { WeirError } from '@weir/base/errors.ts';
import { TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { DescribeTopicIdsResponseSchema, TopicIdState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  DescribeTopicIdsRequest,
  DescribeTopicIdsResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { ClusterImage } from '../controller/image.ts';

/**
 * Answers DescribeTopicIds from what is committed. DELETED is true for good once it is true, ids not being given out
 * again: it holds even if this coordinator has been deposed and does not know it yet.
 *
 * @throws WeirError when the request as a whole is refused
 */
export function describeTopicIds(image: ClusterImage, { topicIds }: DescribeTopicIdsRequest): DescribeTopicIdsResponse {
  if (topicIds.length > TOPICS_PER_REQUEST_MAX) {
    const message = `a request asks for at most ${TOPICS_PER_REQUEST_MAX} topic ids, not ${topicIds.length}`;
    throw new WeirError('INVALID_REQUEST', message);
  }
  const states = topicIds.map((bytes): TopicIdState => {
    if (bytes.length !== 16) throw new WeirError('INVALID_REQUEST', `a topic id has 16 bytes, not ${bytes.length}`);
    const id = topicId(uuidFromBytes(bytes));
    if (image.topicById(id) !== undefined) return TopicIdState.EXISTS;
    return image.deletedTopics.has(id) ? TopicIdState.DELETED : TopicIdState.UNKNOWN;
  });
  return create(DescribeTopicIdsResponseSchema, { states });
}
