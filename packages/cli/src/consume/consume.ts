import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { Client } from '@weir/client/client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { placeAfter } from '@weir/client/group/seek-target.ts';
import { partitionsOf, topicOf, withClient } from '../with-client.ts';
import { printAsMember } from './print-as-member.ts';
import { Printer } from './printer.ts';
import { jsonLines, textLines } from './record-text.ts';
import { parseStartAt, startAtProblem } from '@weir/client/group/start-at.ts';
import type { StartAt } from '@weir/client/group/start-at.ts';
import { tailPartition } from './tail-partition.ts';

/** `weir consume` */
export const consumeCommand = defineCommand({
  summary: 'print the records of a topic',
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: {
    partition: {
      type: 'integer',
      optional: true,
      min: 0,
      max: TOPIC_PARTITIONS_MAX - 1,
      description: 'Only this partition; without it all, one after another',
    },
    offset: {
      type: 'string',
      default: 'earliest',
      placeholder: 'WHERE',
      check: startAtProblem,
      description: 'earliest, latest, an offset (with one partition), or a time: @2026-01-31T12:00:00Z, @MILLISECONDS',
    },
    count: {
      type: 'integer',
      optional: true,
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      description: 'Stop after so many records',
    },
    follow: {
      type: 'boolean',
      default: false,
      description: 'Go on with what is produced from now on, until Ctrl-C; all partitions at once',
    },
    group: {
      type: 'string',
      optional: true,
      placeholder: 'NAME',
      description: 'As a member of this consumer group: what is printed is committed, and the next one goes on there',
    },
    'key-separator': { type: 'string', optional: true, description: 'In text, print the key and this before a value' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partition', n: 'count', f: 'follow', g: 'group' },
  notes: [
    'It prints what is there and ends. With -o json: one object a line, as GET /v1/topics/TOPIC/records has them.',
    'With --group it shares the partitions with the other members; --offset says where a group begins that has committed nothing.',
  ],
  examples: [
    'weir consume demo',
    'weir consume demo --follow --offset latest',
    'weir consume demo --partition 0 --offset 42 -n 10 -o json',
    'weir consume demo --group billing --follow',
  ],
  async run({ positionals, options, terminal }) {
    const startAt = parseStartAt(options.offset)!;
    const { group, follow } = options;
    const offsetReset = group === undefined ? undefined : resetOf(startAt, options.partition);
    const format = options.output === 'json' ? jsonLines : textLines(options['key-separator']);
    return withClient(options, async (client) => {
      const topic = topicOf(client, positionals[0]!);
      const printer = new Printer(terminal, format, options.count);
      terminal.onInterrupt(() => printer.stop());
      terminal.onReaderGone(() => printer.stop());
      if (group !== undefined && offsetReset !== undefined) {
        await printAsMember(client, { group, topic: topic.name, offsetReset, follow }, printer);
        return EXIT.ok;
      }
      const partitions = partitionsOf(
        topic,
        options.partition,
        startAt.kind === 'offset' ? `--offset ${startAt.offset}` : undefined,
      );
      const ranges = await Promise.all(partitions.map((partition) => rangeOf(client, topic.name, partition, startAt)));
      const tail = ({ partition, from, until }: Range): Promise<void> =>
        tailPartition(client, { topic: topic.name, partition, from, until }, printer);
      if (follow) {
        await Promise.all(ranges.map((range) => tail({ ...range, until: undefined })));
      } else {
        for (const range of ranges) await tail(range);
      }
      return EXIT.ok;
    });
  },
});

/** @throws UsageError for what members of groups cannot be told */
function resetOf(startAt: StartAt, partition: number | undefined): 'earliest' | 'latest' {
  if (partition !== undefined) throw new UsageError('--partition and --group: its group gives a member its partitions');
  if (startAt.kind === 'earliest' || startAt.kind === 'latest') return startAt.kind;
  throw new UsageError('--offset with --group is earliest or latest; "weir group seek" moves a group elsewhere');
}

interface Range {
  readonly partition: number;
  readonly from: number;
  /** Where to end; without it, never. */
  readonly until: number | undefined;
}

async function rangeOf(client: Client, topic: string, partition: number, startAt: StartAt): Promise<Range> {
  const [[latest], from] = await Promise.all([
    client.listOffsets(topic, [{ partition, timestamp: 'latest' }]),
    placeAfter(client, { topic, partition, from: null }, startAt),
  ]);
  return { partition, from, until: latest!.offset };
}
