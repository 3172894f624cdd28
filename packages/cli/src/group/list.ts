import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { reasonsOf, withClient } from '../with-client.ts';

/** `weir group list` */
export const groupList = defineCommand({
  summary: 'list consumer groups',
  positionals: [],
  options: {
    state: {
      type: 'choice',
      choices: ['any', 'empty', 'stable', 'preparing-rebalance', 'completing-rebalance'],
      default: 'any',
      description: 'Only groups in this state',
    },
    ...clientOptions,
  },
  shorts: clientShorts,
  notes: ['With -o json: one array of groups. It ends with 1 when a broker did not answer: then there may be others.'],
  examples: ['weir group list --state stable'],
  async run({ options, terminal }) {
    return withClient(options, async (client) => {
      const states = options.state === 'any' ? [] : [options.state.replaceAll('-', '')];
      const { groups, refusals } = await client.groups.list(states);
      if (options.output === 'json') terminal.out(`${JSON.stringify(groups)}\n`);
      else if (groups.length > 0) {
        const rows = groups.map(({ groupId, state, memberCount, protocolType }) => [
          groupId,
          state,
          String(memberCount),
          protocolType === '' ? '-' : protocolType,
        ]);
        terminal.out(table(['GROUP', 'STATE', 'MEMBERS', 'TYPE'], rows, terminal));
      } else if (refusals.length === 0) terminal.err('There is no such group.\n');
      if (refusals.length === 0) return EXIT.ok;
      throw new Error(`there may be more groups: ${reasonsOf(refusals)}`);
    });
  },
});
