import type { Client } from '@weir/client/client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { brokerRows, brokerTable } from '../broker/broker-rows.ts';
import { counted } from '../table.ts';
import { withClient } from '../with-client.ts';

/** `weir cluster info` */
export const clusterInfo = defineCommand({
  summary: 'show the brokers, what they hold, and which coordinator is active',
  positionals: [],
  options: clientOptions,
  shorts: clientShorts,
  async run({ options, terminal }) {
    return withClient(options, async (client) => {
      const coordinator = await activeCoordinator(client);
      const partitions = client.topics().flatMap((topic) => topic.partitions);
      const brokers = brokerRows(client);
      const leaderless = partitions.filter((partition) => partition.leader === -1).length;
      const totals = { topics: client.topics().length, partitions: partitions.length, leaderless };
      if (options.output === 'json') terminal.out(`${JSON.stringify({ brokers, ...totals, coordinator })}\n`);
      else {
        terminal.out(brokerTable(brokers, terminal));
        terminal.out(
          `${counted(totals.topics, 'topic')}, ${counted(totals.partitions, 'partition')}, ${leaderless} without a leader\n` +
            `coordinator ${coordinator.id} at ${coordinator.grpc} is active\n`,
        );
      }
      return EXIT.ok;
    });
  },
});

async function activeCoordinator({ namespace }: Client): Promise<{ readonly id: number; readonly grpc: string }> {
  const { node } = await namespace.get('/controller');
  const { coordinator: id, grpc } = JSON.parse(Buffer.from(node.data).toString()) as {
    coordinator: number;
    grpc: string;
  };
  return { id, grpc };
}
