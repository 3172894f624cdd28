import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { topicConfigsInEffect } from '../config/resource.ts';
import { configsJson, configTable } from '../config/show.ts';
import { brokersCell, leaderCell, partitionRows } from '../partition/partition-rows.ts';
import { STATE_IN_WORDS } from '../partition/partition-state.ts';
import { table } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { offsetRanges } from '@weir/client/group/offset-ranges.ts';
import { topicJson } from './topic-json.ts';

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
      const states = partitionRows(client, [topic]);
      if (options.output === 'json') {
        const config_values = configsJson(topicConfigsInEffect(client, topic));
        const more = states.map(({ elr, state }, i) => ({ elr, state, ...ranges[i]! }));
        terminal.out(`${JSON.stringify({ ...topicJson(topic, more), config_values })}\n`);
        return EXIT.ok;
      }
      terminal.out(`${topic.name}  ${topic.id}\n`);
      const rows = states.map((row, i) => [
        String(row.partition),
        leaderCell(row.leader),
        String(row.leader_epoch),
        brokersCell(row.replicas),
        brokersCell(row.isr),
        STATE_IN_WORDS[row.state],
        String(ranges[i]!.earliest ?? '?'),
        String(ranges[i]!.latest ?? '?'),
      ]);
      terminal.out(table(HEADING, rows, terminal));
      terminal.out(`\n${configTable(topicConfigsInEffect(client, topic), terminal)}`);
      return EXIT.ok;
    });
  },
});

const HEADING = ['PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'STATE', 'EARLIEST', 'LATEST'];
