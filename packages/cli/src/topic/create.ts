import { topicNameProblem } from '@weir/base/ids.ts';
import { REPLICATION_FACTOR_MAX, TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { commaParts, parseConfigs } from '../config/parse-configs.ts';
import { counted } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { topicJson } from './topic-json.ts';

/** `weir topic create` */
export const topicCreate = defineCommand({
  summary: 'create a topic',
  positionals: [{ name: 'TOPIC', description: '1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-"' }],
  options: {
    partitions: {
      type: 'integer',
      optional: true,
      min: 1,
      max: TOPIC_PARTITIONS_MAX,
      description: "Number of partitions; without it the cluster's default",
    },
    'replication-factor': {
      type: 'integer',
      optional: true,
      min: 1,
      max: REPLICATION_FACTOR_MAX,
      description: "Brokers that hold each partition; without it the cluster's default",
    },
    configs: {
      type: 'string',
      optional: true,
      placeholder: 'NAME=VALUE,…',
      description: 'What differs from the defaults, as flush=interval',
    },
    'if-not-exists': { type: 'boolean', default: false, description: 'Take a topic that exists already for success' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partitions' },
  examples: ['weir topic create orders --partitions 12', 'weir topic create clicks --configs flush=interval'],
  async run({ positionals, options, terminal }) {
    const name = positionals[0]!;
    const problem = topicNameProblem(name);
    if (problem !== undefined) throw new UsageError(problem);
    const configs = parseConfigs('--configs', commaParts(options.configs));
    return withClient(options, async (client) => {
      const [result] = await client.createTopics([
        {
          name,
          ...(options.partitions === undefined ? {} : { partitions: options.partitions }),
          ...(options['replication-factor'] === undefined ? {} : { replicationFactor: options['replication-factor'] }),
          configs,
        },
      ]);
      const refusal = result?.refusal;
      const existed = refusal?.code === 'TOPIC_ALREADY_EXISTS' && options['if-not-exists'];
      if (refusal !== undefined && !existed) throw new Error(`${refusal.message} (${refusal.code})`);
      const topic = topicOf(client, name);
      if (options.output === 'json') terminal.out(`${JSON.stringify({ ...topicJson(topic), created: !existed })}\n`);
      else {
        const what = existed ? 'exists already, with' : 'created with';
        terminal.out(`topic ${name} ${what} ${counted(topic.partitions.length, 'partition')}\n`);
      }
      return EXIT.ok;
    });
  },
});
