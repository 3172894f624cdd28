import { thrownRefusal } from '@weir/client/group/group-calls.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted } from '../table.ts';
import { withClient } from '../with-client.ts';

/** `weir group delete` */
export const groupDelete = defineCommand({
  summary: 'delete groups with what they have committed',
  positionals: [{ name: 'GROUP', description: 'names of the groups', repeated: true }],
  options: {
    yes: {
      type: 'boolean',
      default: false,
      description: 'Needed: where the groups have come to cannot be brought back',
    },
    ...clientOptions,
  },
  shorts: clientShorts,
  notes: ['A group that somebody is in is not deleted.'],
  examples: ['weir group delete billing --yes'],
  async run({ positionals, options, terminal }) {
    const names = [...new Set(positionals)];
    if (!options.yes) {
      throw new UsageError(`--yes is missing: where ${names.join(', ')} came to would be forgotten`);
    }
    return withClient(options, async (client) => {
      const results = await Promise.all(
        names.map(async (group) => {
          try {
            await client.groups.delete(group);
            return { group, deleted: true };
          } catch (error) {
            const { code, message } = thrownRefusal(error);
            return { group, deleted: false, code, message };
          }
        }),
      );
      if (options.output === 'json') terminal.out(`${JSON.stringify(results)}\n`);
      else for (const { group, deleted } of results) if (deleted) terminal.out(`group ${group} deleted\n`);
      const failed = results.filter(({ deleted }) => !deleted);
      if (failed.length === 0) return EXIT.ok;
      const reasons = failed.map(({ group, code, message }) => `${group}: ${message} (${code})`);
      throw new Error(`${counted(failed.length, 'group')} not deleted: ${reasons.join('; ')}`);
    });
  },
});
