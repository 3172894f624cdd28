import { declareOptions } from '@weir/base/options.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { counted } from '../table.ts';
import { withClient } from '../with-client.ts';
import { assess } from './assess.ts';

const options = declareOptions({
  ...clientOptions,
  'exit-code': {
    type: 'boolean',
    default: false,
    description: 'End with 1 unless the cluster is healthy, as scripts want it',
  },
});

/** `weir cluster health` */
export const clusterHealth = defineCommand({
  summary: 'say whether all brokers are there, and all partitions led and in sync',
  positionals: [],
  options,
  shorts: clientShorts,
  notes: [
    'down: some partition takes no records, as nobody leads it or too few replicas are in sync, or there is no broker.',
    'degraded: everything is served, but a broker is away or a replica is not in sync.',
    'Ends with 1 when no coordinator answers, with or without --exit-code.',
  ],
  examples: ['weir cluster health --exit-code', 'weir cluster health -o json'],
  async run({ options: { output, 'exit-code': tells, ...rest }, terminal }) {
    return withClient({ ...rest }, (client) => {
      const [brokers, topics] = [client.brokers(), client.topics()];
      const { status, problems } = assess(brokers, topics, client.brokerConfigs('default'));
      const partitions = topics.reduce((count, topic) => count + topic.partitions.length, 0);
      const counts = { brokers: brokers.length, topics: topics.length, partitions };
      if (output === 'json') {
        terminal.out(`${JSON.stringify({ status, cluster: client.clusterId, ...counts, problems })}\n`);
      } else {
        const size = [
          counted(brokers.length, 'broker'),
          counted(topics.length, 'topic'),
          counted(partitions, 'partition'),
        ];
        terminal.out(`${status}: ${size.join(', ')}\n`);
        for (const problem of problems) terminal.out(`  ${problem}\n`);
      }
      return Promise.resolve(tells && status !== 'healthy' ? EXIT.failed : EXIT.ok);
    });
  },
});
