import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { Client } from '@weir/client/client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { parseStartAt, startAtProblem } from '@weir/client/group/start-at.ts';
import { counted, table } from '../table.ts';
import { partitionsOf, reasonsOf, refusedInWords, topicOf, withClient } from '../with-client.ts';
import { planMoves } from '@weir/client/group/move-group.ts';
import type { GroupMove } from '@weir/client/group/move-group.ts';
import type { SeekTarget } from '@weir/client/group/seek-target.ts';

/** `weir group seek` */
export const groupSeek = defineCommand({
  summary: 'move where a group reads on, while nobody is in it',
  positionals: [
    { name: 'GROUP', description: 'name of the group; one that is not there begins with this' },
    { name: 'TOPIC', description: 'name of the topic' },
  ],
  options: {
    partition: {
      type: 'integer',
      optional: true,
      min: 0,
      max: TOPIC_PARTITIONS_MAX - 1,
      description: 'Only this partition; without it all',
    },
    to: {
      type: 'string',
      optional: true,
      placeholder: 'WHERE',
      check: startAtProblem,
      description: 'earliest, latest, an offset (with one partition), or a time: @2026-01-31T12:00:00Z, @MILLISECONDS',
    },
    by: {
      type: 'integer',
      optional: true,
      min: -Number.MAX_SAFE_INTEGER,
      max: Number.MAX_SAFE_INTEGER,
      placeholder: 'RECORDS',
      description: 'So many records on, or with --by=-N back, no further than there are any',
    },
    'dry-run': { type: 'boolean', default: false, description: 'Say what would be done, and do nothing' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partition' },
  notes: ['It is refused while somebody is in the group: members would go on where they are, and commit that.'],
  examples: [
    'weir group seek billing orders --to earliest --dry-run',
    'weir group seek billing orders --to @2026-01-31T12:00:00Z',
    'weir group seek billing orders --partition 2 --by=-100',
  ],
  async run({ positionals, options, terminal }) {
    const target = targetOf(options);
    return withClient(options, async (client) => {
      const [group, name] = positionals as [string, string];
      const topic = topicOf(client, name);
      const isOffset = target.kind === 'offset';
      const partitions = partitionsOf(topic, options.partition, isOffset ? `--to ${target.offset}` : undefined);
      const moves = await refusedInWords(planMoves(client, { groupId: group, topic: name, partitions }, target));
      if (!options['dry-run']) await move(client, group, name, moves);
      if (options.output === 'json') {
        terminal.out(`${JSON.stringify({ group, topic: name, dryRun: options['dry-run'], partitions: moves })}\n`);
      } else {
        const rows = moves.map(({ partition, from, to }) => [
          String(partition),
          from === null ? '-' : String(from),
          String(to),
        ]);
        terminal.out(table(['PARTITION', 'FROM', 'TO'], rows, terminal));
        if (options['dry-run']) terminal.err('Nothing was changed: without --dry-run it is.\n');
      }
      return EXIT.ok;
    });
  },
});

/** @throws UsageError unless exactly one place is named */
function targetOf({ to, by }: { readonly to?: string | undefined; readonly by?: number | undefined }): SeekTarget {
  if (to !== undefined && by !== undefined) throw new UsageError('--to and --by: say one of them');
  if (by !== undefined) return { kind: 'by', records: by };
  if (to !== undefined) return parseStartAt(to)!;
  throw new UsageError('say where to: --to earliest, latest, OFFSET or @TIME, or --by RECORDS');
}

async function move(client: Client, group: string, topic: string, moves: readonly GroupMove[]): Promise<void> {
  const offsets = moves.map(({ partition, to }) => ({ topic, partition, offset: to }));
  const outcomes = await refusedInWords(client.groups.commit(group, offsets));
  const refusals = outcomes.flatMap((outcome) => outcome ?? []);
  if (refusals.length === 0) return;
  throw new Error(`${counted(refusals.length, 'partition')} not moved: ${reasonsOf(refusals)}`);
}
