import { declareOptions } from '@weir/base/options.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { table } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { brokersCell, leaderCell, partitionRows } from './partition-rows.ts';
import { isAtLeast, STATE_IN_WORDS } from './partition-state.ts';
import type { PartitionState } from './partition-state.ts';

const options = declareOptions({
  topic: { type: 'string', optional: true, placeholder: 'TOPIC', description: 'Of one topic; without it of all' },
  'under-replicated': { type: 'boolean', default: false, description: 'Only those with a replica that is not in sync' },
  'under-min-isr': {
    type: 'boolean',
    default: false,
    description: 'Only those with fewer replicas in sync than min.insync.replicas',
  },
  offline: { type: 'boolean', default: false, description: 'Only those that nobody leads' },
  ...clientOptions,
});

/** `weir partition list` */
export const partitionList = defineCommand({
  summary: 'list partitions, who leads them, who is in sync and which are short of replicas',
  positionals: [],
  options,
  shorts: clientShorts,
  notes: [
    'ELR: eligible leader replicas, which are not in sync and hold all that is committed.',
    'One that is offline is under min ISR, and one that is that is under-replicated. With several of these the widest counts.',
    'With -o json: one array of partitions.',
  ],
  examples: ['weir partition list --under-replicated', 'weir partition list --topic orders -o json'],
  async run({ options: { topic: name, output, ...rest }, terminal }) {
    return withClient({ ...rest }, (client) => {
      const topics = name === undefined ? client.topics() : [topicOf(client, name)];
      const wanted = asked(rest);
      const rows = partitionRows(client, topics).filter(({ state }) => isAtLeast(state, wanted));
      if (output === 'json') {
        terminal.out(`${JSON.stringify(rows)}\n`);
      } else if (rows.length === 0) {
        terminal.err(topics.length === 0 ? 'There is no topic yet.\n' : 'There is no such partition.\n');
      } else {
        const cells = rows.map((row) => [
          row.topic,
          String(row.partition),
          leaderCell(row.leader),
          String(row.leader_epoch),
          brokersCell(row.replicas),
          brokersCell(row.isr),
          brokersCell(row.elr),
          STATE_IN_WORDS[row.state],
        ]);
        terminal.out(table(HEADING, cells, terminal));
      }
      return Promise.resolve(EXIT.ok);
    });
  },
});

const HEADING = ['TOPIC', 'PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'ELR', 'STATE'];

/** The best state that is to be listed. */
function asked(only: {
  readonly 'under-replicated': boolean;
  readonly 'under-min-isr': boolean;
  readonly offline: boolean;
}): PartitionState {
  if (only['under-replicated']) return 'under_replicated';
  if (only['under-min-isr']) return 'under_min_isr';
  return only.offline ? 'offline' : 'in_sync';
}
