import type { Client } from '@weir/client/client.ts';
import type { BrokerInfo } from '@weir/client/metadata/cluster-image.ts';
import { UsageError } from '../command.ts';
import { table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

/** Where a broker stands. */
export type BrokerStateWord = 'active' | 'draining' | 'away';

/** A broker and what it holds, as `-o json` shows it. */
export interface BrokerRow {
  readonly id: number;
  readonly grpc: string;
  readonly rack: string;
  readonly state: BrokerStateWord;
  readonly replicas: number;
  readonly leads: number;
}

/** The word that names a broker on the command line. */
export const brokerPositional = { name: 'ID', description: "a broker's number" } as const;

/** @throws UsageError for what is no broker's number */
export function brokerIdOf(word: string): number {
  const id = /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN;
  if (id <= 0x7fff_ffff) return id;
  throw new UsageError(`"${word}" is not a broker's number`);
}

/**
 * A registered broker by its number.
 *
 * @throws Error that names the brokers that there are
 */
export function brokerOf(client: Client, id: number): BrokerInfo {
  const brokers = client.brokers();
  const broker = brokers.find((one) => one.id === id);
  if (broker !== undefined) return broker;
  const known = brokers.length === 0 ? 'there is none' : `there are ${brokers.map((one) => one.id).join(', ')}`;
  throw new Error(`there is no broker ${id} (${known})`);
}

/** Where a broker stands, in one word. */
export function brokerStateOf({ active, draining }: BrokerInfo): BrokerStateWord {
  if (draining) return 'draining';
  return active ? 'active' : 'away';
}

/** All brokers, by id. */
export function brokerRows(client: Client): BrokerRow[] {
  const partitions = client.topics().flatMap((topic) => topic.partitions);
  return client.brokers().map((broker) => ({
    id: broker.id,
    grpc: broker.grpcAddress,
    rack: broker.rack,
    state: brokerStateOf(broker),
    replicas: partitions.filter((partition) => partition.replicas.includes(broker.id)).length,
    leads: partitions.filter((partition) => partition.leader === broker.id).length,
  }));
}

/** The same for people. */
export function brokerTable(brokers: readonly BrokerRow[], terminal: Terminal): string {
  const rows = brokers.map(({ id, state, grpc, rack, replicas, leads }) => [
    String(id),
    state,
    grpc,
    rack === '' ? '-' : rack,
    String(replicas),
    String(leads),
  ]);
  return table(['BROKER', 'STATE', 'GRPC', 'RACK', 'REPLICAS', 'LEADS'], rows, terminal);
}
