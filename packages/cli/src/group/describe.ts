import type { Client } from '@weir/client/client.ts';
import type { GroupDescription } from '@weir/client/group/group-admin.ts';
import { offsetRanges } from '../topic/offset-ranges.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { styles } from '../terminal.ts';
import { refusedInWords, withClient } from '../with-client.ts';

/** How far a group is in a partition, as `-o json` shows it. */
interface PartitionRow {
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing is committed. */
  readonly offset: number | null;
  /** Null where the leader did not say. */
  readonly end: number | null;
  readonly lag: number | null;
  /** Who reads it; null: nobody. */
  readonly memberId: string | null;
}

/** `weir group describe` */
export const groupDescribe = defineCommand({
  summary: 'show a group: its members, and how far it has come',
  positionals: [{ name: 'GROUP', description: 'name of the group' }],
  options: clientOptions,
  shorts: clientShorts,
  notes: ['With -o json: one object. LAG counts offsets: with compaction there are fewer records than that.'],
  examples: ['weir group describe billing'],
  async run({ positionals, options, terminal }) {
    return withClient(options, async (client) => {
      const group = await refusedInWords(client.groups.describe(positionals[0]!));
      const partitions = await rowsOf(client, group);
      if (options.output === 'json') {
        const members = group.members.map(({ instanceId = null, ...member }) => ({ ...member, instanceId }));
        terminal.out(`${JSON.stringify({ ...group, members, partitions })}\n`);
        return EXIT.ok;
      }
      const { bold } = styles(terminal);
      const { groupId, state, protocol, generation } = group;
      const how = protocol === '' ? '' : `, ${protocol}`;
      terminal.out(`${bold(groupId)}: ${state}, generation ${generation}${how}\n`);
      if (group.members.length > 0) {
        const rows = group.members.map(({ memberId, clientHost, assignment }) => [
          memberId,
          clientHost.replace(/^\//, ''),
          String(assignment.length),
        ]);
        terminal.out(`\n${table(['MEMBER', 'HOST', 'PARTITIONS'], rows, terminal)}`);
      }
      if (partitions.length > 0) {
        const rows = partitions.map(({ topic, partition, offset, end, lag, memberId }) =>
          [topic, partition, offset, end, lag, memberId].map((cell) => (cell === null ? '-' : String(cell))),
        );
        terminal.out(`\n${table(['TOPIC', 'PARTITION', 'OFFSET', 'END', 'LAG', 'MEMBER'], rows, terminal)}`);
      }
      return EXIT.ok;
    });
  },
});

/** What it has committed, and what its members read. */
async function rowsOf(client: Client, group: GroupDescription): Promise<readonly PartitionRow[]> {
  const committed = await refusedInWords(client.groups.offsets(group.groupId));
  const rows = new Map<string, { topic: string; partition: number; offset: number | null; memberId: string | null }>();
  for (const { topic, partition, offset } of committed) {
    rows.set(`${topic}/${partition}`, { topic, partition, offset, memberId: null });
  }
  for (const { memberId, assignment } of group.members) {
    for (const { topic, partition } of assignment) {
      const offset = rows.get(`${topic}/${partition}`)?.offset ?? null;
      rows.set(`${topic}/${partition}`, { topic, partition, offset, memberId });
    }
  }
  const ends = new Map<string, number | null>();
  for (const name of new Set([...rows.values()].map(({ topic }) => topic))) {
    const topic = client.topic(name);
    if (topic === undefined) continue;
    const { ranges } = await offsetRanges(client, topic);
    for (const [partition, { latest }] of ranges.entries()) ends.set(`${name}/${partition}`, latest);
  }
  return [...rows.entries()]
    .map(([key, row]) => {
      const end = ends.get(key) ?? null;
      const lag = end === null || row.offset === null ? null : Math.max(0, end - row.offset);
      return { ...row, end, lag };
    })
    .toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}
