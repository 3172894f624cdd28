import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { counted, table } from '../table.ts';
import { withClient } from '../with-client.ts';

/** `weir cluster info` */
export const clusterInfo = defineCommand({
  summary: 'show the brokers and what they hold',
  positionals: [],
  options: clientOptions,
  shorts: clientShorts,
  async run({ options, terminal }) {
    return withClient(options, (client) => {
      const partitions = client.topics().flatMap((topic) => topic.partitions);
      const brokers = [...client.brokers()]
        .toSorted((a, b) => a.id - b.id)
        .map((broker) => ({
          id: broker.id,
          grpc: broker.grpcAddress,
          rack: broker.rack,
          state: broker.active ? 'active' : 'away',
          replicas: partitions.filter((partition) => partition.replicas.includes(broker.id)).length,
          leads: partitions.filter((partition) => partition.leader === broker.id).length,
        }));
      const leaderless = partitions.filter((partition) => partition.leader === -1).length;
      const totals = { topics: client.topics().length, partitions: partitions.length, leaderless };
      if (options.output === 'json') terminal.out(`${JSON.stringify({ brokers, ...totals })}\n`);
      else {
        const rows = brokers.map((broker) => [
          String(broker.id),
          broker.state,
          broker.grpc,
          broker.rack === '' ? '-' : broker.rack,
          String(broker.replicas),
          String(broker.leads),
        ]);
        terminal.out(table(['BROKER', 'STATE', 'GRPC', 'RACK', 'REPLICAS', 'LEADS'], rows, terminal));
        terminal.out(
          `${counted(totals.topics, 'topic')}, ${counted(totals.partitions, 'partition')}, ${leaderless} without a leader\n`,
        );
      }
      return Promise.resolve(EXIT.ok);
    });
  },
});
