import { create } from '@bufbuild/protobuf';
import { WeirError } from '@weir/base/errors.ts';
import { PARTITIONS_NAMED_MAX, TOPICS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import {
  ElectionType,
  ElectLeadersResponseSchema,
  UnavailableReason,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type {
  ElectablePartition,
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { ElectionResult, ElectLeaders, WhyUnavailable } from '../controller/elect-leaders.ts';
import type { Coordinator } from '../coordinator.ts';

/** Answers ElectLeaders, with as many commands as it takes. Rejects with a WeirError when the request is refused. */
export async function electLeaders(
  coordinator: Coordinator,
  { topics: wholeTopics, partitions, type }: ElectLeadersRequest,
  peer: string,
): Promise<ElectLeadersResponse> {
  if (wholeTopics.length > 0 && partitions.length > 0) {
    throw new WeirError('INVALID_REQUEST', 'a request elects the leaders of topics or of partitions, not of both');
  }
  if (partitions.length > PARTITIONS_NAMED_MAX) {
    const message = `a request names at most ${PARTITIONS_NAMED_MAX} partitions, not ${partitions.length}`;
    throw new WeirError('INVALID_REQUEST', message);
  }
  const only = indexesByTopic(partitions);
  const topics = partitions.length === 0 ? wholeTopics : [...only.keys()];
  if (topics.length > TOPICS_PER_REQUEST_MAX) {
    const message = `a request elects the leaders of at most ${TOPICS_PER_REQUEST_MAX} topics, not ${topics.length}`;
    throw new WeirError('INVALID_REQUEST', message);
  }
  const election = ELECTIONS[type];
  if (election === undefined) throw new WeirError('INVALID_REQUEST', `there is no election of type ${String(type)}`);
  const command: ElectLeaders = {
    kind: 'electLeaders',
    election,
    topics: topics.length === 0 ? undefined : topics,
    ...(partitions.length === 0 ? {} : { only }),
    peer,
  };
  let electedCount = 0;
  for (;;) {
    const { elected, isCut, unavailable } = await electSome(coordinator, command);
    electedCount += elected;
    if (isCut) continue;
    return create(ElectLeadersResponseSchema, {
      revision: BigInt(coordinator.image.revision),
      electedCount,
      unavailableCount: unavailable.length,
      unavailable: unavailable.slice(0, PARTITIONS_NAMED_MAX).map(({ topic, partition, preferred, why }) => ({
        topic,
        partition,
        brokerId: preferred,
        reason: REASONS[why],
      })),
    });
  }
}

function indexesByTopic(partitions: readonly ElectablePartition[]): Map<string, Set<number>> {
  const topics = new Map<string, Set<number>>();
  for (const { topic, partition } of partitions) topics.set(topic, (topics.get(topic) ?? new Set()).add(partition));
  return topics;
}

function electSome(coordinator: Coordinator, command: ElectLeaders): Promise<ElectionResult> {
  return new Promise((resolve, reject) => {
    coordinator.submit(command, (result) => {
      if (result.kind === 'election') resolve(result.result);
      else if (result.kind === 'refused') reject(new WeirError(result.refusal.code, result.refusal.message));
    });
  });
}

/** One that a newer client knows and we do not is none of these. */
const ELECTIONS: Readonly<Partial<Record<ElectionType, ElectLeaders['election']>>> = {
  [ElectionType.UNSPECIFIED]: 'preferred',
  [ElectionType.PREFERRED]: 'preferred',
  [ElectionType.UNCLEAN]: 'unclean',
};

const REASONS: Readonly<Record<WhyUnavailable, UnavailableReason>> = {
  away: UnavailableReason.AWAY,
  drains: UnavailableReason.DRAINS,
  starting: UnavailableReason.STARTING,
  notInSync: UnavailableReason.NOT_IN_SYNC,
};
