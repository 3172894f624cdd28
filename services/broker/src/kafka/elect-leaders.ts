import { refusal } from '@weir/base/errors.ts';
import { PARTITIONS_NAMED_MAX } from '@weir/base/limits.ts';
import type { ClusterImage, PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import type { electLeaders, ElectLeadersRequest } from '@weir/kafka/apis/elect-leaders.ts';
import { ElectionType } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import {
  ELECTION_NOT_NEEDED,
  ELIGIBLE_LEADERS_NOT_AVAILABLE,
  errorNumber,
  PREFERRED_LEADER_NOT_AVAILABLE,
} from './error-number.ts';
import type { Exchange } from './exchange.ts';
import { eachOnce } from './repeated.ts';

/** A kind of election: which partitions need one, and what is said of those that get no leader by it. */
interface Election {
  readonly type: ElectionType;
  readonly isNeeded: (partition: PartitionInfo) => boolean;
  readonly impossible: Outcome;
}

/** By Kafka's numbers. */
const ELECTIONS: readonly Election[] = [
  {
    type: ElectionType.PREFERRED,
    isNeeded: ({ leader, replicas }) => leader !== replicas[0],
    impossible: {
      errorCode: PREFERRED_LEADER_NOT_AVAILABLE,
      errorMessage: 'the preferred replica is away, drains or is not in sync',
    },
  },
  {
    type: ElectionType.UNCLEAN,
    isNeeded: ({ leader }) => leader === -1,
    impossible: { errorCode: ELIGIBLE_LEADERS_NOT_AVAILABLE, errorMessage: 'all of its replicas are away' },
  },
];

/** A partition of a request. */
interface Asked {
  readonly topic: string;
  readonly partition: number;
}

/** Elects preferred leaders, or whoever is there where nobody leads. All partitions: those that need none are left out. */
export async function answerElectLeaders(
  cluster: ClusterView,
  admin: Admin,
  exchange: Exchange<typeof electLeaders>,
): Promise<void> {
  const { electionType, topicPartitions } = exchange.request;
  const election = ELECTIONS[electionType];
  if (election === undefined) {
    return exchange.answer({
      throttleTimeMs: 0,
      errorCode: errorNumber('INVALID_REQUEST'),
      replicaElectionResults: [],
    });
  }
  const { image } = cluster;
  const all = topicPartitions === null ? allThatNeed(image, election) : eachAsked(topicPartitions);
  const answers = all.map((asked) => ({ ...asked, outcome: withoutElection(image, asked, election) }));
  const open = answers.filter(({ outcome }) => outcome === undefined);
  for (let at = 0; at < open.length; at += PARTITIONS_NAMED_MAX) {
    const some = open.slice(at, at + PARTITIONS_NAMED_MAX);
    const outcomeIn = await elected(admin, election, some);
    for (const one of some) one.outcome = outcomeIn(one);
  }
  exchange.answer({
    throttleTimeMs: 0,
    errorCode: 0,
    replicaElectionResults: [...Map.groupBy(answers, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitionResults: ofTopic.map(({ partition, outcome }) => ({ partitionId: partition, ...(outcome ?? ELECTED) })),
    })),
  });
}

function allThatNeed(image: ClusterImage, { isNeeded }: Election): Asked[] {
  return [...image.topics()].flatMap(({ name, partitions }) =>
    partitions.filter(isNeeded).map(({ index }) => ({ topic: name, partition: index })),
  );
}

function eachAsked(topics: NonNullable<ElectLeadersRequest['topicPartitions']>): Asked[] {
  const once = eachOnce(topics, {
    keyOf: ({ topic }) => topic,
    partsOf: ({ partitions }) => partitions,
    indexOf: (index) => index,
  });
  return [...once].flatMap(({ topic: { topic }, parts }) => [...parts].map((partition) => ({ topic, partition })));
}

/** What can be said at once; undefined: the coordinator is to elect. */
function withoutElection(image: ClusterImage, { topic, partition }: Asked, election: Election): Outcome | undefined {
  const info = image.topic(topic)?.partitions[partition];
  if (info === undefined) {
    return outcomeOf(refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no partition ${partition} of topic ${topic}`));
  }
  return election.isNeeded(info) ? undefined : NOT_NEEDED;
}

/** Has the coordinator elect. At most PARTITIONS_NAMED_MAX, so that its answer names all that have got no leader. */
async function elected(
  admin: Admin,
  { type, impossible }: Election,
  partitions: readonly Asked[],
): Promise<(asked: Asked) => Outcome> {
  try {
    const named = partitions.map(({ topic, partition }) => ({ topic, partition }));
    const { unavailable } = await admin.electLeaders({ type, partitions: named });
    const without = new Set(unavailable.map(keyOf));
    return (asked) => (without.has(keyOf(asked)) ? impossible : ELECTED);
  } catch (error) {
    const outcome = outcomeOfFailure(error);
    return () => outcome;
  }
}

function keyOf({ topic, partition }: Asked): string {
  return `${topic}/${partition}`;
}

const ELECTED: Outcome = { errorCode: 0, errorMessage: null };
const NOT_NEEDED: Outcome = { errorCode: ELECTION_NOT_NEEDED, errorMessage: 'it is led as it should be' };
