import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@weir/client/client.ts';
import type { RecordHistory } from '../../simulation/checks/record-history.ts';
import { groupAnomaliesIn } from '../groups/group-anomalies.ts';
import { Groups } from '../groups/groups.ts';
import type { GroupSpec } from '../groups/groups.ts';
import { commitsOf } from '../groups/member-commits.ts';
import type { MemberCommit } from '../groups/member-commits.ts';
import type { MemberHistory } from '../groups/member-history.ts';
import type { LoadTopic } from '../load.ts';
import type { Workshop } from '../workshop.ts';
import type { ReplicatedCluster } from './replicated-cluster.ts';
import type { Trial } from './trial.ts';

/** Who reads everything in the end: what it has read is what there is. */
export const FRESH_READER = 'fresh reader';
/** After the last fault: members come back, sessions of others end, everybody joins, and what was written meanwhile is read. */
const SETTLED_WITHIN_MS = 60_000;
const AT_END_WITHIN_MS = 60_000;
const ANOMALIES_SHOWN = 5;

/** By group, and then by partition. */
export type CommittedOffsets = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Starts the processes of groups that read all topics of a trial. */
export function startGroups(
  specs: readonly GroupSpec[],
  on: {
    readonly cluster: ReplicatedCluster;
    readonly workshop: Workshop;
    readonly client: Client;
    readonly topics: () => readonly LoadTopic[];
  },
): Groups {
  const { cluster, workshop, client, topics } = on;
  const settings = {
    coordinators: cluster.coordinatorAddresses,
    bootstrap: cluster.brokers.map(({ place }) => `${place.address}:9092`),
  };
  const groups = new Groups(specs, { client, topics, settings, directory: workshop.directory('members') });
  workshop.cleanups.add('writing down what the members said', () => {
    const directory = join(workshop.root, 'output');
    mkdirSync(directory, { recursive: true });
    groups.writeOutputs(directory);
  });
  workshop.cleanups.add('ending the members', () => groups.kill());
  groups.start();
  return groups;
}

/** What has to be true of the groups once faults and load are over. They are stopped then. */
export async function checkGroups({ groups, report }: Trial): Promise<CommittedOffsets> {
  const committed = new Map<string, ReadonlyMap<string, number>>();
  if (groups.all.length === 0) return committed;
  report.progress('waiting for the groups');
  const overMs = performance.now();
  const seconds = (): string => `after ${((performance.now() - overMs) / 1_000).toFixed(1)} s`;
  const unsettled = await groups.untilSettled(SETTLED_WITHIN_MS);
  report.check(
    unsettled === undefined,
    'the groups are stable: each partition has one owner, who is too many has nothing',
    unsettled ?? seconds(),
  );
  const behind = await groups.untilAtEnd(AT_END_WITHIN_MS);
  report.check(behind === undefined, 'every group has read and committed everything', behind ?? seconds());
  const problems = await groups.stop();
  report.check(problems.length === 0, 'all members stop in order', problems.join('; '));
  for (const group of groups.all) committed.set(group.id, await groups.committed(group));
  return committed;
}

/** What members were given has to be what everybody else has read. */
export function noteDeliveries(history: RecordHistory, members: readonly MemberHistory[]): void {
  for (const { member, events } of members) {
    for (const event of events) {
      if (event.kind !== 'delivered') continue;
      const { partition, records } = event;
      history.polled({ reader: member, partition, from: records[0]!.offset, records });
    }
  }
}

/** Judges what members were told, once a fresh reader has read everything. */
export function judgeGroups(
  { groups, history, report }: Trial,
  end: {
    readonly members: readonly MemberHistory[];
    readonly committed: CommittedOffsets;
    readonly mayLose: boolean;
  },
): void {
  if (groups.all.length === 0) return;
  const { members, committed, mayLose } = end;
  const anomalies = groupAnomaliesIn(members, { known: knownOffsets(history), committed, mayLose });
  for (const { kind, what } of anomalies.slice(0, ANOMALIES_SHOWN)) report.note(`${kind}: ${what}`);
  report.check(anomalies.length === 0, 'anomalies of groups', String(anomalies.length));
  for (const [group, ofGroup] of Map.groupBy(members, (member) => member.group)) report.note(countsOf(group, ofGroup));
}

function knownOffsets({ polls }: RecordHistory): ReadonlyMap<string, readonly number[]> {
  const known = new Map<string, Set<number>>();
  for (const { reader, partition, records } of polls) {
    if (reader !== FRESH_READER) continue;
    const offsets = known.get(partition) ?? new Set();
    known.set(partition, offsets);
    for (const { offset } of records) offsets.add(offset);
  }
  return new Map([...known].map(([partition, offsets]) => [partition, [...offsets].toSorted((a, b) => a - b)]));
}

function countsOf(group: string, members: readonly MemberHistory[]): string {
  const generations = new Set<number>();
  let delivered = 0;
  for (const event of members.flatMap(({ events }) => events)) {
    if (event.kind === 'generation') generations.add(event.generation);
    if (event.kind === 'delivered') delivered += event.records.length;
  }
  const commits = members.flatMap(commitsOf);
  const refused = Map.groupBy(
    commits.flatMap(({ refusal }) => refusal ?? []),
    (code) => code,
  );
  const acknowledged = commits.filter(({ acknowledgedMs }) => acknowledgedMs < Infinity);
  const waited = `longest without one ${(longestWithout(acknowledged) / 1_000).toFixed(1)} s on a partition`;
  const refusals = [...refused].map(([code, all]) => `${all.length} ${code}`).join(', ');
  return (
    `${group}: ${members.length} processes, ${generations.size} generations, ${delivered} records given, ` +
    `${acknowledged.length} commits acknowledged, ${waited}${refusals === '' ? '' : `, refused: ${refusals}`}`
  );
}

/** The longest time between two commits of one partition. */
function longestWithout(acknowledged: readonly MemberCommit[]): number {
  const lastMs = new Map<string, number>();
  let longest = 0;
  for (const { offsets, acknowledgedMs } of acknowledged.toSorted((a, b) => a.acknowledgedMs - b.acknowledgedMs)) {
    for (const partition of Object.keys(offsets)) {
      longest = Math.max(longest, acknowledgedMs - (lastMs.get(partition) ?? acknowledgedMs));
      lastMs.set(partition, acknowledgedMs);
    }
  }
  return longest;
}
