import type { Client } from '@weir/client/client.ts';
import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import { brokerStateOf } from '../broker/broker-rows.ts';
import type { BrokerStateWord } from '../broker/broker-rows.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted, table } from '../table.ts';
import { offsetRanges } from '@weir/client/group/offset-ranges.ts';
import { topicOf, withClient } from '../with-client.ts';
import { leaderCell, partitionRow } from './partition-rows.ts';
import { STATE_IN_WORDS } from './partition-state.ts';

/** `weir partition describe` */
export const partitionDescribe = defineCommand({
  summary: 'show a partition: its replicas and how they stand, its leader and its offsets',
  positionals: [
    { name: 'TOPIC', description: 'name of the topic' },
    { name: 'PARTITION', description: 'index of the partition, from 0' },
  ],
  options: clientOptions,
  shorts: clientShorts,
  notes: [
    'How far a follower is behind only the leader knows: weir_broker_follower_lag_records and _seconds of its metrics',
    'say so of the partition in which a follower is behind most.',
  ],
  examples: ['weir partition describe orders 3'],
  async run({ positionals, options, terminal }) {
    const index = indexOf(positionals[1]!);
    return withClient(options, async (client) => {
      const topic = topicOf(client, positionals[0]!);
      const partition = topic.partitions[index];
      if (partition === undefined) {
        throw new Error(`topic ${topic.name} has ${counted(topic.partitions.length, 'partition')}, counted from 0`);
      }
      const row = partitionRow(client, topic, partition);
      const { ranges, problem } = await offsetRanges(client, topic, [partition]);
      if (problem !== undefined) terminal.err(`offsets are not known: ${problem}\n`);
      const { earliest, latest } = ranges[0]!;
      const replicas = partition.replicas.map((id) => replicaOf(client, partition, id));
      if (options.output === 'json') {
        const { partitionEpoch: partition_epoch, uncleanEpoch } = partition;
        const unclean_epoch = uncleanEpoch === -1 ? null : uncleanEpoch;
        const shown = { ...row, partition_epoch, unclean_epoch, earliest, latest, replica_states: replicas };
        terminal.out(`${JSON.stringify(shown)}\n`);
        return EXIT.ok;
      }
      const facts = [
        ['state', STATE_IN_WORDS[row.state]],
        ['leader', leaderCell(row.leader)],
        ['leader epoch', String(row.leader_epoch)],
        ['partition epoch', String(partition.partitionEpoch)],
        ['unclean election', partition.uncleanEpoch === -1 ? 'none' : `in epoch ${partition.uncleanEpoch}`],
        [
          'in sync',
          `${row.isr.length} of ${counted(row.replicas.length, 'replica')}, at least ${row.min_insync_replicas} needed`,
        ],
        ['offsets', `${earliest ?? '?'} to ${latest ?? '?'}`],
      ];
      terminal.out(`${topic.name}-${index}\n`);
      for (const [name, value] of facts) terminal.out(`  ${name!.padEnd(18)}${value}\n`);
      const rows = replicas.map((replica) => [
        String(replica.broker),
        ROLES[replica.role],
        replica.broker_state,
        replica.grpc ?? '-',
      ]);
      terminal.out(`\n${table(['REPLICA', 'ROLE', 'BROKER', 'GRPC'], rows, terminal)}`);
      return EXIT.ok;
    });
  },
});

/** A replica, as `-o json` shows it. */
interface ReplicaRow {
  readonly broker: number;
  readonly role: 'leader' | 'in_sync' | 'eligible' | 'out_of_sync';
  /** `unknown`: it is not registered. */
  readonly broker_state: BrokerStateWord | 'unknown';
  readonly grpc: string | null;
}

const ROLES: Readonly<Record<ReplicaRow['role'], string>> = {
  leader: 'leader',
  in_sync: 'in sync',
  eligible: 'may lead',
  out_of_sync: 'out of sync',
};

function replicaOf(client: Client, { leader, isr, elr }: PartitionInfo, id: number): ReplicaRow {
  const broker = client.brokers().find((one) => one.id === id);
  const broker_state = broker === undefined ? 'unknown' : brokerStateOf(broker);
  const role = id === leader ? 'leader' : isr.includes(id) ? 'in_sync' : elr.includes(id) ? 'eligible' : 'out_of_sync';
  return { broker: id, role, broker_state, grpc: broker?.grpcAddress ?? null };
}

function indexOf(word: string): number {
  if (/^\d{1,9}$/.test(word)) return Number(word);
  throw new UsageError(`"${word}" is not the index of a partition`);
}
