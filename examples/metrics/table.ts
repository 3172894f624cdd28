import type { Client } from '@weir/client/client.ts';

const READ_BYTES_MAX = 1024 * 1024;
const READ_RECORDS_MAX = 10_000;

/** What a compacted topic says: of each key the last value. */
export interface Table {
  readonly values: ReadonlyMap<string, string>;
  /** With those that later ones have replaced, and compaction has not removed yet. */
  readonly records: number;
}

/** Reads a topic to where its partitions end now. */
export async function readTable(client: Client, topic: string): Promise<Table> {
  const values = new Map<string, string>();
  let count = 0;
  const { partitions } = await client.awaitTopic(topic);
  const ends = await client.listOffsets(
    topic,
    partitions.map(({ index }) => ({ partition: index, timestamp: 'latest' })),
  );
  for (const { partition, offset: end } of ends) {
    for (let offset = 0; offset < end;) {
      const bounds = { maxRecords: READ_RECORDS_MAX, maxBytes: READ_BYTES_MAX, waitMs: 0 };
      const { records, nextOffset } = await client.read({ topic, partition, offset, ...bounds });
      for (const { key, value } of records) {
        if (value === null) values.delete(String(key));
        else values.set(String(key), String(value));
      }
      count += records.length;
      offset = nextOffset;
    }
  }
  return { values, records: count };
}
