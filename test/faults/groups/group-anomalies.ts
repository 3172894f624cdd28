import type { GroupAnomaly } from './group-anomaly.ts';
import { commitsOf } from './member-commits.ts';
import type { MemberCommit } from './member-commits.ts';
import type { MemberHistory, TimedEvent } from './member-history.ts';
import { PartitionTenures } from './partition-tenures.ts';

/** What else is known of the end. */
export interface EndOfGroups {
  /** The offsets that have records, of each partition, in order. */
  readonly known: ReadonlyMap<string, readonly number[]>;
  /** What each group has committed, by partition. */
  readonly committed: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Acknowledged records may be lost, and offsets given again: only what a generation promises has to hold. */
  readonly mayLose?: boolean;
}

/** An event with who it happened to. */
interface MemberMoment {
  readonly member: MemberHistory;
  readonly event: TimedEvent;
}

/** All that is wrong with the history of groups. */
export function groupAnomaliesIn(members: readonly MemberHistory[], end: EndOfGroups): GroupAnomaly[] {
  return [...Map.groupBy(members, ({ group }) => group)].flatMap(([group, ofGroup]) => {
    const moments = ofGroup.flatMap((member) => member.events.map((event): MemberMoment => ({ member, event })));
    moments.sort((a, b) => a.event.atMs - b.event.atMs);
    const commits = ofGroup.flatMap(commitsOf);
    const found = [...twoOwners(moments), ...staleCommits(moments, commits), ...fencedCommits(moments, commits)];
    if (end.mayLose !== true) found.push(...offsetAnomalies(group, { moments, commits, end }));
    return found.map(({ kind, what }) => ({ kind, what: `${group}: ${what}` }));
  });
}

function* twoOwners(moments: readonly MemberMoment[]): Generator<GroupAnomaly> {
  const owners = new Map<string, { readonly owner: string; readonly member: string }>();
  const told = new Set<string>();
  for (const { member, event } of moments) {
    if (event.kind !== 'assigned' && event.kind !== 'delivered') continue;
    if (event.generation < 0) continue;
    const owner = member.instance ?? member.member;
    for (const partition of event.kind === 'assigned' ? event.partitions : [event.partition]) {
      const place = `${partition} in generation ${event.generation}`;
      const known = owners.get(place);
      if (known === undefined) owners.set(place, { owner, member: member.member });
      else if (known.owner !== owner && !told.has(`${place} ${owner}`)) {
        told.add(`${place} ${owner}`);
        yield { kind: 'two-owners', what: `${place} is ${known.member}'s, and ${member.member}'s` };
      }
    }
  }
}

function* staleCommits(moments: readonly MemberMoment[], commits: readonly MemberCommit[]): Generator<GroupAnomaly> {
  const knownSince = new Map<number, MemberMoment>();
  for (const moment of moments) {
    const { event } = moment;
    if (!('generation' in event) || knownSince.has(event.generation)) continue;
    knownSince.set(event.generation, moment);
  }
  for (const { member, generation, invokedMs, acknowledgedMs } of commits) {
    if (acknowledgedMs === Infinity) continue;
    const newer = [...knownSince].find(([other, { event }]) => other > generation && event.atMs < invokedMs);
    if (newer === undefined) continue;
    const [other, { member: who, event }] = newer;
    const lateMs = (invokedMs - event.atMs).toFixed(1);
    const what = `${member.member} committed for generation ${generation}, ${lateMs} ms after ${who.member} was in ${other}`;
    yield { kind: 'stale-commit', what };
  }
}

function* fencedCommits(moments: readonly MemberMoment[], commits: readonly MemberCommit[]): Generator<GroupAnomaly> {
  for (const { member, invokedMs, acknowledgedMs } of commits) {
    if (member.instance === undefined || acknowledgedMs === Infinity) continue;
    const told = member.events.findLast(({ kind, atMs }) => kind === 'generation' && atMs < invokedMs);
    const other = moments.find(
      ({ member: who, event }) =>
        who !== member &&
        who.instance === member.instance &&
        event.kind === 'generation' &&
        event.atMs < invokedMs &&
        // Who came before has no place any more.
        event.atMs > (told?.atMs ?? Infinity),
    );
    if (other === undefined) continue;
    const lateMs = (invokedMs - other.event.atMs).toFixed(1);
    const what = `${member.member} committed ${lateMs} ms after ${other.member.member} had its place`;
    yield { kind: 'fenced-commit', what };
  }
}

function* offsetAnomalies(
  group: string,
  {
    moments,
    commits,
    end,
  }: {
    readonly moments: readonly MemberMoment[];
    readonly commits: readonly MemberCommit[];
    readonly end: EndOfGroups;
  },
): Generator<GroupAnomaly> {
  const partitions = new Map<string, PartitionTenures>();
  const of = (name: string): PartitionTenures => {
    let partition = partitions.get(name);
    if (partition === undefined) {
      partition = new PartitionTenures(name, end.known.get(name) ?? [], end.committed.get(group)?.get(name));
      partitions.set(name, partition);
    }
    return partition;
  };
  for (const commit of commits) for (const name of Object.keys(commit.offsets)) of(name).commits.push(commit);
  for (const { member, event } of moments) {
    if (event.kind === 'assigned') for (const name of event.partitions) of(name).assigned(member, event.atMs);
    if (event.kind === 'delivered') of(event.partition).delivered(member, event);
  }
  for (const partition of partitions.values()) yield* partition.anomalies();
}
