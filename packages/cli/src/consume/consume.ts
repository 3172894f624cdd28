import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { Client } from '@weir/client/client.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { topicOf, withClient } from '../with-client.ts';
import { Printer } from './printer.ts';
import { jsonLines, textLines } from './record-text.ts';
import { parseStartAt, startAtProblem } from './start-at.ts';
import type { StartAt } from './start-at.ts';
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
    'key-separator': { type: 'string', optional: true, description: 'In text, print the key and this before a value' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partition', n: 'count', f: 'follow' },
  notes: [
    'It prints what is there and ends. With -o json: one object a line, as GET /v1/topics/TOPIC/records has them.',
  ],
  examples: [
    'weir consume demo',
    'weir consume demo --follow --offset latest',
    'weir consume demo --partition 0 --offset 42 -n 10 -o json',
  ],
  async run({ positionals, options, terminal }) {
    const startAt = parseStartAt(options.offset)!;
    const format = options.output === 'json' ? jsonLines : textLines(options['key-separator']);
    return withClient(options, async (client) => {
      const topic = topicOf(client, positionals[0]!);
      const partitions = partitionsOf(topic, options.partition, startAt);
      const printer = new Printer(terminal, format, options.count);
      terminal.onInterrupt(() => printer.stop());
      terminal.onReaderGone(() => printer.stop());
      const ranges = await Promise.all(partitions.map((partition) => rangeOf(client, topic.name, partition, startAt)));
      const tail = ({ partition, from, until }: Range): Promise<void> =>
        tailPartition(client, { topic: topic.name, partition, from, until }, printer);
      if (options.follow) {
        await Promise.all(ranges.map((range) => tail({ ...range, until: undefined })));
      } else {
        for (const range of ranges) await tail(range);
      }
      return EXIT.ok;
    });
  },
});

function partitionsOf(topic: TopicInfo, asked: number | undefined, startAt: StartAt): number[] {
  const count = topic.partitions.length;
  if (asked === undefined) {
    if (startAt.kind === 'offset' && count > 1) {
      throw new UsageError(
        `--offset ${startAt.offset} needs --partition: ${topic.name} has ${count}, each with offsets of its own`,
      );
    }
    return topic.partitions.map(({ index }) => index);
  }
  if (asked < count) return [asked];
  throw new WeirError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `${topic.name} has no partition ${asked}: ${count === 1 ? 'it has only 0' : `it has 0 to ${count - 1}`}`,
  );
}

interface Range {
  readonly partition: number;
  readonly from: number;
  /** Where to end; without it, never. */
  readonly until: number | undefined;
}

async function rangeOf(client: Client, topic: string, partition: number, startAt: StartAt): Promise<Range> {
  const offsetAt = async (timestamp: number | 'earliest' | 'latest'): Promise<number> => {
    const [answer] = await client.listOffsets(topic, [{ partition, timestamp }]);
    return answer!.offset;
  };
  const [earliest, latest] = await Promise.all([offsetAt('earliest'), offsetAt('latest')]);
  switch (startAt.kind) {
    case 'earliest':
      return { partition, from: earliest, until: latest };
    case 'latest':
      return { partition, from: latest, until: latest };
    case 'offset':
      if (startAt.offset >= earliest && startAt.offset <= latest) {
        return { partition, from: startAt.offset, until: latest };
      }
      throw new WeirError(
        'OFFSET_OUT_OF_RANGE',
        `offset ${startAt.offset} is not there: partition ${partition} of ${topic} ` +
          (earliest === latest ? `is empty, and the next offset is ${latest}` : `has ${earliest} to ${latest - 1}`),
      );
    case 'timestamp': {
      const found = await offsetAt(startAt.timestampMs);
      // Nothing is that new: then only what still comes.
      return { partition, from: found === -1 ? latest : found, until: latest };
    }
  }
}
