import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { refusedInWords, withClient } from '../with-client.ts';
import { brokerIdOf, brokerOf, brokerPositional } from './broker-rows.ts';

/** `weir broker undrain` */
export const brokerUndrain = defineCommand({
  summary: 'take the drain of a broker back',
  positionals: [brokerPositional],
  options: clientOptions,
  shorts: clientShorts,
  notes: ['Leadership that it is preferred for comes back by itself (auto.leader.rebalance.enable).'],
  examples: ['weir broker undrain 2'],
  async run({ positionals, options, terminal }) {
    const id = brokerIdOf(positionals[0]!);
    return withClient(options, async (client) => {
      const broker = brokerOf(client, id);
      await refusedInWords(client.undrainBroker(broker));
      if (options.output === 'json') terminal.out(`${JSON.stringify({ broker: id, epoch: broker.epoch })}\n`);
      else terminal.out(`broker ${id} does not drain${broker.draining ? ' any more' : ''}\n`);
      return EXIT.ok;
    });
  },
});
