import type { ConfigResource } from '@weir/client/alter-configs.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { withClient } from '../with-client.ts';
import { configsSetOf, namedResource, resourceJson, resourceName, resourceOptions } from './resource.ts';

/** `weir config list` */
export const configList = defineCommand({
  summary: 'list what was set of topics, brokers and the cluster',
  positionals: [],
  options: { ...resourceOptions, ...clientOptions },
  shorts: clientShorts,
  notes: ['What is not listed has its default: see weir config describe.'],
  examples: ['weir config list', 'weir config list --topic orders'],
  async run({ options, terminal }) {
    const named = namedResource(options);
    return withClient(options, (client) => {
      const resources: ConfigResource[] =
        named === undefined
          ? [
              { type: 'cluster' },
              ...client.brokers().map(({ id }) => ({ type: 'broker', id }) as const),
              ...client
                .topics()
                .map(({ name }) => ({ type: 'topic', name }) as const)
                .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
            ]
          : [named];
      const found = resources
        .map((resource) => ({ resource, configs: configsSetOf(client, resource) }))
        .filter(({ configs }) => Object.keys(configs).length > 0);
      if (options.output === 'json') {
        const shown = found.map(({ resource, configs }) => ({ ...resourceJson(resource), configs }));
        terminal.out(`${JSON.stringify(shown)}\n`);
      } else if (found.length === 0) {
        terminal.err('Nothing was set. weir config describe says what is in effect.\n');
      } else {
        const rows = found.flatMap(({ resource, configs }) =>
          Object.entries(configs).map(([name, value]) => [resourceName(resource), name, value]),
        );
        terminal.out(table(['OF', 'CONFIG', 'VALUE'], rows, terminal));
      }
      return Promise.resolve(EXIT.ok);
    });
  },
});
