import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand } from '../command.ts';
import { alterAndTell } from './alter.ts';
import { neededResource, resourceOptions } from './resource.ts';

/** `weir config unset` */
export const configUnset = defineCommand({
  summary: 'take back configs of a topic, a broker or the cluster',
  positionals: [{ name: 'NAME', description: 'names of the configs', repeated: true }],
  options: { ...resourceOptions, ...clientOptions },
  shorts: clientShorts,
  notes: ['They have what the broker, the cluster or the default says from then on. All are unset, or none.'],
  examples: ['weir config unset retention.ms --topic orders'],
  async run({ positionals, options, terminal }) {
    const resource = neededResource(options);
    return alterAndTell({ resource, unset: [...new Set(positionals)] }, options, terminal);
  },
});
