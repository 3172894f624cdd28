import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted, table } from '../table.ts';
import { reasonsOf, topicOf, withClient } from '../with-client.ts';

/** `weir topic trim` */
export const topicTrim = defineCommand({
  summary: "delete a topic's oldest records",
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: {
    partition: {
      type: 'integer',
      optional: true,
      min: 0,
      max: TOPIC_PARTITIONS_MAX - 1,
      description: 'One partition; without it all of them',
    },
    before: {
      type: 'string',
      optional: true,
      placeholder: 'OFFSET|end',
      description: 'Needed: all records below this offset go; end: all that there are now',
    },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partition' },
  notes: ['What is deleted cannot be brought back. Offsets go on where they were.'],
  examples: ['weir topic trim orders --partition 3 --before 120000', 'weir topic trim orders --before end'],
  async run({ positionals, options, terminal }) {
    const before = parseBefore(options.before);
    return withClient(options, async (client) => {
      const topic = topicOf(client, positionals[0]!);
      const partitions =
        options.partition === undefined ? topic.partitions.map(({ index }) => index) : [options.partition];
      const results = await client.deleteRecords(
        topic.name,
        partitions.map((partition) => ({ partition, before })),
      );
      const done = results.filter((result) => result.refusal === undefined);
      if (options.output === 'json') {
        const shown = results.map(({ partition, lowWatermark, refusal }) =>
          refusal === undefined
            ? { partition, earliest: lowWatermark }
            : { partition, code: refusal.code, message: refusal.message },
        );
        terminal.out(`${JSON.stringify({ topic: topic.name, partitions: shown })}\n`);
      } else if (done.length > 0) {
        const rows = done.map(({ partition, lowWatermark }) => [String(partition), String(lowWatermark)]);
        terminal.out(table(['PARTITION', 'EARLIEST'], rows, terminal));
      }
      const refusals = results.flatMap(({ refusal }) => refusal ?? []);
      if (refusals.length === 0) return EXIT.ok;
      throw new Error(`${counted(refusals.length, 'partition')} not trimmed on all replicas: ${reasonsOf(refusals)}`);
    });
  },
});

/** @throws UsageError for what is neither an offset nor "end" */
function parseBefore(text: string | undefined): number | 'end' {
  if (text === undefined) throw new UsageError('--before is missing: say OFFSET, or end for all records');
  if (text === 'end') return text;
  const offset = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(offset)) return offset;
  throw new UsageError(`--before: "${text}" is neither an offset nor "end"`);
}
