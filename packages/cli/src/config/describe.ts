import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withClient } from '../with-client.ts';
import { configsInEffect, neededResource, resourceJson, resourceOptions } from './resource.ts';
import { configsJson, configTable } from './show.ts';

/** `weir config describe` */
export const configDescribe = defineCommand({
  summary: 'show every config of a topic, a broker or the cluster, with who has set it',
  positionals: [],
  options: { ...resourceOptions, ...clientOptions },
  shorts: clientShorts,
  notes: [
    'A topic comes before a broker, a broker before the cluster, and that before options and defaults.',
    'With -o json each has its description.',
  ],
  examples: ['weir config describe --topic orders', 'weir config describe --cluster'],
  async run({ options, terminal }) {
    const resource = neededResource(options);
    return withClient(options, (client) => {
      const configs = configsInEffect(client, resource);
      if (options.output === 'json') {
        terminal.out(`${JSON.stringify({ ...resourceJson(resource), configs: configsJson(configs) })}\n`);
      } else terminal.out(configTable(configs, terminal));
      return Promise.resolve(EXIT.ok);
    });
  },
});
