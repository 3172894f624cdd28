import type { DeletedTopic } from '@weir/client/client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted } from '../table.ts';
import { withClient } from '../with-client.ts';

/** `weir topic delete` */
export const topicDelete = defineCommand({
  summary: 'delete topics with all their records',
  positionals: [{ name: 'TOPIC', description: 'names of the topics', repeated: true }],
  options: {
    yes: { type: 'boolean', default: false, description: 'Needed: what is deleted cannot be brought back' },
    'if-exists': { type: 'boolean', default: false, description: 'Take a topic that does not exist for success' },
    ...clientOptions,
  },
  shorts: clientShorts,
  notes: ['The topics are gone at once; brokers that are away remove the files when they are back.'],
  examples: ['weir topic delete orders --yes'],
  async run({ positionals, options, terminal }) {
    const names = [...new Set(positionals)];
    if (!options.yes) {
      throw new UsageError(
        `--yes is missing: ${names.join(', ')} would be deleted with all records, which cannot be brought back`,
      );
    }
    return withClient(options, async (client) => {
      const results = await client.deleteTopics(names);
      const isFine = ({ refusal }: DeletedTopic): boolean =>
        refusal === undefined || (options['if-exists'] && refusal.code === 'UNKNOWN_TOPIC_OR_PARTITION');
      if (options.output === 'json') {
        const shown = results.map(({ name, refusal }) => ({
          name,
          deleted: refusal === undefined,
          ...(refusal === undefined ? {} : { code: refusal.code, message: refusal.message }),
        }));
        terminal.out(`${JSON.stringify(shown)}\n`);
      } else {
        for (const { name, refusal } of results) if (refusal === undefined) terminal.out(`topic ${name} deleted\n`);
      }
      const failed = results.filter((result) => !isFine(result));
      if (failed.length === 0) return EXIT.ok;
      const reasons = failed.map(({ refusal }) => `${refusal!.message} (${refusal!.code})`);
      throw new Error(`${counted(failed.length, 'topic')} not deleted: ${reasons.join('; ')}`);
    });
  },
});
