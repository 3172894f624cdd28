import { messageOf } from '@weir/base/errors.ts';
import type { Client } from '@weir/client/client.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { topicConfigsInEffect } from '../config/resource.ts';
import { configsJson, configTable } from '../config/show.ts';
import { table } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { topicJson } from './topic-json.ts';
import type { OffsetRange } from './topic-json.ts';

/** `weir topic describe` */
export const topicDescribe = defineCommand({
  summary: 'show a topic: its partitions, leaders, offsets and configs',
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: clientOptions,
  shorts: clientShorts,
  async run({ positionals, options, terminal }) {
    return withClient(options, async (client) => {
      const topic = topicOf(client, positionals[0]!);
      const { ranges, problem } = await offsetRanges(client, topic);
      if (problem !== undefined) terminal.err(`offsets are not known: ${problem}\n`);
      if (options.output === 'json') {
        const config_values = configsJson(topicConfigsInEffect(client, topic));
        terminal.out(`${JSON.stringify({ ...topicJson(topic, ranges), config_values })}\n`);
        return EXIT.ok;
      }
      terminal.out(`${topic.name}  ${topic.id}\n`);
      const rows = topic.partitions.map((partition, i) => [
        String(partition.index),
        partition.leader === -1 ? 'none' : String(partition.leader),
        String(partition.leaderEpoch),
        partition.replicas.join(','),
        partition.isr.join(','),
        String(ranges[i]!.earliest ?? '?'),
        String(ranges[i]!.latest ?? '?'),
      ]);
      terminal.out(table(['PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'EARLIEST', 'LATEST'], rows, terminal));
      terminal.out(`\n${configTable(topicConfigsInEffect(client, topic), terminal)}`);
      return EXIT.ok;
    });
  },
});

/** Where each partition begins and ends. A leader that is away costs its own partitions' offsets, not the others'. */
async function offsetRanges(
  client: Client,
  topic: TopicInfo,
): Promise<{ ranges: readonly OffsetRange[]; problem: string | undefined }> {
  let problem: string | undefined;
  const ranges = await Promise.all(
    topic.partitions.map(async ({ index, leader }): Promise<OffsetRange> => {
      const unknown = { earliest: null, latest: null };
      if (leader === -1) {
        problem = `partition ${index} has no leader`;
        return unknown;
      }
      try {
        const [earliest, latest] = await Promise.all(
          (['earliest', 'latest'] as const).map((timestamp) =>
            client.listOffsets(topic.name, [{ partition: index, timestamp }]),
          ),
        );
        return { earliest: earliest![0]!.offset, latest: latest![0]!.offset };
      } catch (error) {
        problem = messageOf(error);
        return unknown;
      }
    }),
  );
  return { ranges, problem };
}
