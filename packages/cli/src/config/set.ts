import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand } from '../command.ts';
import { alterAndTell } from './alter.ts';
import { parseConfigs } from './parse-configs.ts';
import { neededResource, resourceOptions } from './resource.ts';

/** `weir config set` */
export const configSet = defineCommand({
  summary: 'set configs of a topic, a broker or the cluster',
  positionals: [{ name: 'NAME=VALUE', description: 'configs, as retention.ms=3600000', repeated: true }],
  options: { ...resourceOptions, ...clientOptions },
  shorts: clientShorts,
  notes: ['All of them are set, or none. They count while everything runs: nothing is restarted.'],
  examples: [
    'weir config set retention.ms=3600000 --topic orders',
    'weir config set log.retention.ms=86400000 num.partitions=6 --cluster',
  ],
  async run({ positionals, options, terminal }) {
    const resource = neededResource(options);
    return alterAndTell({ resource, set: parseConfigs('NAME=VALUE', positionals) }, options, terminal);
  },
});
