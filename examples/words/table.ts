import type { Client } from '@weir/client/client.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';

const READ_BYTES_MAX = 1024 * 1024;
const READ_RECORDS_MAX = 10_000;

/** What a partition of a compacted topic says up to where it ends now: of each key the last value. */
export async function readTable(client: Client, { topic, partition }: TopicPartition): Promise<Map<string, string>> {
  const table = new Map<string, string>();
  const [end] = await client.listOffsets(topic, [{ partition, timestamp: 'latest' }]);
  for (let offset = 0; offset < end!.offset;) {
    const bounds = { maxRecords: READ_RECORDS_MAX, maxBytes: READ_BYTES_MAX, waitMs: 0 };
    const { records, nextOffset } = await client.read({ topic, partition, offset, ...bounds });
    for (const { key, value } of records) {
      if (value === null) table.delete(String(key));
      else table.set(String(key), String(value));
    }
    offset = nextOffset;
  }
  return table;
}
