import type { ErrorCode } from '@weir/base/errors.ts';
import { OFFSET_METADATA_BYTES_MAX } from '@weir/base/group-limits.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { CommittedOffset, TopicPartition } from './committed-offsets.ts';
import { CONSUMER_PROTOCOL_TYPE } from './group-core.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import type { GroupError } from './group-error.ts';
import { groupIdProblem, textProblem } from './group-id.ts';
import type { CommitRequest } from './group-messages.ts';

/** What is asked about the offsets of groups, by whichever road it comes. Each `answer` is called once. */

/** Who commits. */
export interface Committer {
  readonly groupId: string;
  readonly identity: CommitRequest;
  /** Whether a member is told that there is no such group (from Kafka's version 9 on); else that its generation is not. */
  readonly learnsOfNoGroup: boolean;
}

/** One partition's commit. */
export interface OffsetToCommit {
  /** Or why the one that was named is not known. */
  readonly topic: TopicInfo | ErrorCode;
  readonly partition: number;
  readonly committed: CommittedOffset;
}

/**
 * Commits: all that can be are stored together, then they are answered, each in its place. Of a partition that is there twice
 * the last one counts.
 */
export function commitOffsets(
  groups: GroupCoordinator,
  { groupId, identity, learnsOfNoGroup }: Committer,
  offsets: readonly OffsetToCommit[],
  answer: (codes: readonly ErrorCode[]) => void,
): void {
  const shard = textProblem(groupId) ?? groups.shardFor(groupId);
  if (typeof shard === 'string') return answer(offsets.map(() => shard));
  const isNobodys = shard.find(groupId) === undefined && identity.generation >= 0;
  const refused = isNobodys && learnsOfNoGroup ? 'GROUP_ID_NOT_FOUND' : shard.mayCommit(groupId, identity);
  if (refused !== 'NONE') return answer(offsets.map(() => refused));
  const commits = new Map<string, TopicPartition & { readonly committed: CommittedOffset }>();
  const problems = offsets.map(({ topic, partition, committed }) => {
    const problem = problemOf({ topic, partition, committed });
    if (problem === 'NONE' && typeof topic !== 'string') {
      commits.set(`${topic.name}\0${partition}`, { topic: topic.name, partition, committed });
    }
    return problem;
  });
  if (commits.size === 0) return answer(problems);
  shard.commit(groupId, [...commits.values()], (error) =>
    answer(problems.map((problem) => (problem === 'NONE' ? error : problem))),
  );
}

function problemOf({ topic, partition, committed }: OffsetToCommit): ErrorCode {
  if (typeof topic === 'string') return topic;
  if (topic.partitions[partition] === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION';
  // What numbers cannot hold is no offset that anybody was given.
  if (!Number.isSafeInteger(committed.offset)) return 'INVALID_REQUEST';
  return Buffer.byteLength(committed.metadata) > OFFSET_METADATA_BYTES_MAX ? 'OFFSET_METADATA_TOO_LARGE' : 'NONE';
}

/** What became of offsets that were to be forgotten. */
export interface DeletedOffsets {
  /** Of the request as a whole: then there are no results. */
  readonly error: GroupError;
  /** Each in the place in which it was asked for. */
  readonly results: readonly GroupError[];
}

/** Forgets offsets, those of topics that nobody in the group reads. */
export function deleteOffsets(
  groups: GroupCoordinator,
  groupId: string,
  places: readonly TopicPartition[],
  answer: (deleted: DeletedOffsets) => void,
): void {
  const refuse = (error: GroupError): void => answer({ error, results: [] });
  const shard = groupIdProblem(groupId) ?? groups.shardOf(groupId);
  if (typeof shard === 'string') return refuse(shard);
  const group = shard.find(groupId);
  if (group === undefined) return refuse('GROUP_ID_NOT_FOUND');
  const { state, protocolType } = group.classic;
  if (state !== 'Empty' && protocolType !== CONSUMER_PROTOCOL_TYPE) return refuse('NON_EMPTY_GROUP');
  const gone: (TopicPartition & { readonly committed: null })[] = [];
  const results = places.map(({ topic, partition }) => {
    const error = group.classic.offsetDeleteError(topic);
    const place = { topic, partition };
    if (error === 'NONE' && group.offsets.get(place) !== undefined) gone.push({ ...place, committed: null });
    return error;
  });
  if (gone.length === 0) return answer({ error: 'NONE', results });
  shard.commit(groupId, gone, (error) => (error === 'NONE' ? answer({ error, results }) : refuse(error)));
}
