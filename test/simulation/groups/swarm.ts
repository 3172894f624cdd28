import type { AssignorName } from '@weir/client/group/assignor.ts';
import type { Chance } from '../engine/chance.ts';
import type { OffsetsTopicSwarm } from '../swarm.ts';

/** Topics that come while the run goes on begin so; patterns match them. */
export const LATE_TOPIC = 'late-';

/** A consumer group. */
export interface GroupSwarm {
  readonly id: string;
  /** Names of topics; undefined: a pattern that matches all of them, those that come late too. */
  readonly topics: readonly string[] | undefined;
  readonly assignors: readonly AssignorName[];
  readonly members: number;
  /** Of the members, so many are static. */
  readonly statics: number;
  readonly commitIntervalMs: number | 'manual';
  readonly sessionTimeoutMs: number;
  readonly pollIntervalMs: number;
  /** Records that a member takes at a time, at most, and how long it is at work on them. */
  readonly recordsMax: number;
  readonly workMsMax: number;
}

/** How often faults of members come: milliseconds from one to the next on average; 0 for never. */
export interface MemberFaultSwarm {
  readonly killMemberMs: number;
  readonly stopMemberMs: number;
  readonly pauseMemberMs: number;
  /** Nothing gets from it to brokers, or to it, or both. */
  readonly cutOffMemberMs: number;
  /** Somebody else comes with the instance id of a static member that is there. */
  readonly doubleMemberMs: number;
  /** A topic gets one more partition, or one comes that a pattern matches. */
  readonly growTopicMs: number;
  /** Somebody who is no member wants to set what is committed. */
  readonly resetMs: number;
}

/** How often something happens at a moment that chance hardly meets: shares of such moments. */
interface RebalanceSwarm {
  /** A generation is told: whoever coordinates the group is killed, or cut off, before it has its assignment. */
  readonly failoverRate: number;
  /** A commit is held up for seconds, and the group rebalances meanwhile. */
  readonly lateCommitRate: number;
  /** A member is told its part seconds after the others are: until then it goes on with what it has. */
  readonly lateAssignmentRate: number;
}

/** All that a seed draws about groups. */
export interface GroupsSwarm {
  readonly groups: readonly GroupSwarm[];
  readonly faults: MemberFaultSwarm;
  readonly rebalances: RebalanceSwarm;
}

/** What a member's session may take: the shortest that there is, and a longer one. */
const SESSION_MS = [6_000, 6_000, 9_000];

/** @param chance - of its own, so that it does not shift what else is drawn */
export function groupsOf(chance: Chance, topics: readonly string[]): GroupsSwarm {
  const isCalm = chance.happens(0.15);
  const every = (minMs: number, maxMs: number, never = 0.4): number =>
    isCalm || chance.happens(never) ? 0 : Math.round(chance.between(minMs, maxMs));
  const rate = (max: number): number => (isCalm || chance.happens(0.4) ? 0 : chance.between(0, max));
  const count = chance.pick([0, 0, 1, 1, 2]);
  return {
    groups: Array.from({ length: count }, (_, i) => groupOf(`group-${i + 1}`, topics, chance)),
    faults: {
      killMemberMs: every(2_000, 12_000, 0.3),
      stopMemberMs: every(2_000, 12_000),
      pauseMemberMs: every(3_000, 12_000),
      cutOffMemberMs: every(3_000, 12_000),
      doubleMemberMs: every(2_000, 10_000),
      growTopicMs: every(3_000, 10_000),
      resetMs: every(1_000, 5_000),
    },
    rebalances: { failoverRate: rate(0.4), lateCommitRate: rate(0.05), lateAssignmentRate: rate(0.3) },
  };
}

/** What groups are kept in. */
export function offsetsTopicOf(chance: Chance, brokers: number): OffsetsTopicSwarm {
  return { partitions: chance.whole(1, 2), replicationFactor: Math.min(brokers, chance.pick([2, 3, 3])) };
}

function groupOf(id: string, topics: readonly string[], chance: Chance): GroupSwarm {
  const members = chance.whole(1, 4);
  const sessionTimeoutMs = chance.pick(SESSION_MS);
  const named = topics.filter(() => chance.happens(0.7));
  return {
    id,
    topics: chance.happens(0.4) || named.length === 0 ? undefined : named,
    assignors: chance.pick([['range', 'cooperative-sticky'], ['cooperative-sticky'], ['range']] as const),
    members,
    statics: chance.happens(0.5) ? chance.whole(1, members) : 0,
    commitIntervalMs: chance.pick([500, 2_000, 'manual'] as const),
    sessionTimeoutMs,
    pollIntervalMs: chance.pick([sessionTimeoutMs, 10_000]),
    recordsMax: chance.pick([1, 20, 500]),
    workMsMax: chance.pick([0, 20, 200]),
  };
}
