import { topicNameProblem } from '@weir/base/ids.ts';
import { TOPIC_PARTITIONS_MAX } from '@weir/base/limits.ts';
import type { Client } from '@weir/client/client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { alterConfigs } from '../config/alter.ts';
import { commaParts, parseConfigs } from '../config/parse-configs.ts';
import { counted } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { topicJson } from './topic-json.ts';

/** `weir topic alter` */
export const topicAlter = defineCommand({
  summary: 'add partitions to a topic, and alter its configs',
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: {
    partitions: {
      type: 'integer',
      optional: true,
      min: 1,
      max: TOPIC_PARTITIONS_MAX,
      description: 'Number of partitions in total, more than there are',
    },
    configs: {
      type: 'string',
      optional: true,
      placeholder: 'NAME=VALUE,…',
      description: 'What is set, as retention.ms=3600000',
    },
    unset: { type: 'string', optional: true, placeholder: 'NAME,…', description: 'What goes back to its default' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, p: 'partitions' },
  notes: [
    'With more partitions a key may belong to another one than before; records stay where they are.',
    'Everything is checked before anything is altered.',
  ],
  examples: [
    'weir topic alter orders --partitions 24',
    'weir topic alter orders --configs retention.ms=3600000 --unset segment.bytes',
  ],
  async run({ positionals, options, terminal }) {
    const name = positionals[0]!;
    const problem = topicNameProblem(name);
    if (problem !== undefined) throw new UsageError(problem);
    const set = parseConfigs('--configs', commaParts(options.configs));
    const unset = commaParts(options.unset);
    const { partitions } = options;
    if (partitions === undefined && Object.keys(set).length === 0 && unset.length === 0) {
      throw new UsageError('nothing to alter: say --partitions, --configs or --unset');
    }
    return withClient(options, async (client) => {
      topicOf(client, name);
      const wanted = { name, partitions, set, unset };
      await alter(client, wanted, { validateOnly: true });
      await alter(client, wanted, { validateOnly: false });
      const topic = topicOf(client, name);
      if (options.output === 'json') terminal.out(`${JSON.stringify(topicJson(topic))}\n`);
      else {
        const configs = Object.entries(topic.configs).map(([config, value]) => `${config}=${value}`);
        const shown = configs.length === 0 ? 'no configs of its own' : configs.join(' ');
        terminal.out(`topic ${name} has ${counted(topic.partitions.length, 'partition')}, ${shown}\n`);
      }
      return EXIT.ok;
    });
  },
});

async function alter(
  client: Client,
  wanted: {
    readonly name: string;
    readonly partitions: number | undefined;
    readonly set: Readonly<Record<string, string>>;
    readonly unset: readonly string[];
  },
  options: { readonly validateOnly: boolean },
): Promise<void> {
  const { name, partitions, set, unset } = wanted;
  if (Object.keys(set).length > 0 || unset.length > 0) {
    await alterConfigs(client, { resource: { type: 'topic', name }, set, unset }, options);
  }
  if (partitions === undefined) return;
  const [result] = await client.createPartitions([{ name, totalCount: partitions }], options);
  const refusal = result?.refusal;
  if (refusal !== undefined) throw new Error(`${refusal.message} (${refusal.code})`);
}
