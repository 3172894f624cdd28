import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { refusedInWords, withClient } from '../with-client.ts';
import { brokerIdOf, brokerPositional } from './broker-rows.ts';

/** `weir broker unregister` */
export const brokerUnregister = defineCommand({
  summary: 'make the cluster forget a broker that is gone for good',
  positionals: [brokerPositional],
  options: clientOptions,
  shorts: clientShorts,
  notes: ['Refused while the broker lives, and while partitions have replicas on it.'],
  examples: ['weir broker unregister 2'],
  async run({ positionals, options, terminal }) {
    const id = brokerIdOf(positionals[0]!);
    return withClient(options, async (client) => {
      await refusedInWords(client.unregisterBroker(id));
      if (options.output === 'json') terminal.out(`${JSON.stringify({ broker: id, unregistered: true })}\n`);
      else terminal.out(`broker ${id} is unregistered\n`);
      return EXIT.ok;
    });
  },
});
