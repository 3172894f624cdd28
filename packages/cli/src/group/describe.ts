import { groupProgress } from '@weir/client/group/group-progress.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { styles } from '../terminal.ts';
import { refusedInWords, withClient } from '../with-client.ts';

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
      const partitions = await refusedInWords(groupProgress(client, group));
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
