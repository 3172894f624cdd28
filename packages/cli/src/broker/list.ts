import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withClient } from '../with-client.ts';
import { brokerRows, brokerTable } from './broker-rows.ts';

/** `weir broker list` */
export const brokerList = defineCommand({
  summary: 'list the brokers, where they stand and what they hold',
  positionals: [],
  options: clientOptions,
  shorts: clientShorts,
  notes: ['With -o json: one array of brokers.'],
  async run({ options, terminal }) {
    return withClient(options, (client) => {
      const brokers = brokerRows(client);
      if (options.output === 'json') terminal.out(`${JSON.stringify(brokers)}\n`);
      else if (brokers.length === 0) terminal.err('No broker has registered yet.\n');
      else terminal.out(brokerTable(brokers, terminal));
      return Promise.resolve(EXIT.ok);
    });
  },
});
