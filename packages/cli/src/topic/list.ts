import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { withClient } from '../with-client.ts';
import { topicJson } from './topic-json.ts';

/** `weir topic list` */
export const topicList = defineCommand({
  summary: 'list the topics',
  positionals: [],
  options: clientOptions,
  shorts: clientShorts,
  notes: ['With -o json: one array of topics.'],
  async run({ options, terminal }) {
    return withClient(options, (client) => {
      const topics = client.topics().toSorted((a, b) => (a.name < b.name ? -1 : 1));
      if (options.output === 'json') {
        terminal.out(`${JSON.stringify(topics.map((topic) => topicJson(topic)))}\n`);
      } else if (topics.length === 0) {
        terminal.err('There is no topic yet. weir topic create NAME makes one.\n');
      } else {
        const rows = topics.map((topic) => [
          topic.name,
          String(topic.partitions.length),
          String(topic.partitions[0]?.replicas.length ?? 0),
          String(topic.partitions.filter((partition) => partition.leader === -1).length),
        ]);
        terminal.out(table(['TOPIC', 'PARTITIONS', 'REPLICAS', 'LEADERLESS'], rows, terminal));
      }
      return Promise.resolve(EXIT.ok);
    });
  },
});
