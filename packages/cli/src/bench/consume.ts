import { WeirError } from '@weir/base/errors.ts';
import type { Client } from '@weir/client/client.ts';
import type { Subscription } from '@weir/client/consumer/subscription.ts';
import { batchBytesOf, recordCountOf } from '@weir/records/batch-header.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { counted } from '../table.ts';
import { topicOf, withClient } from '../with-client.ts';
import { report } from './report.ts';

const PROGRESS_MS = 2_000;
const CREDIT_BYTES = 4 * 1024 * 1024;

/** `weir bench consume` */
export const benchConsume = defineCommand({
  summary: 'measure how fast a topic is read from its beginning to its end',
  positionals: [{ name: 'TOPIC', description: 'name of the topic' }],
  options: { ...clientOptions },
  shorts: clientShorts,
  notes: ['Batches are counted as they come; their records are not looked at.'],
  examples: ['weir bench consume load'],
  async run({ positionals, options, terminal }) {
    const name = positionals[0]!;
    return withClient(options, async (client) => {
      const { partitions } = topicOf(client, name);
      const indexes = partitions.map(({ index }) => index);
      const ask = (timestamp: 'earliest' | 'latest'): ReturnType<Client['listOffsets']> =>
        client.listOffsets(
          name,
          indexes.map((partition) => ({ partition, timestamp })),
        );
      const [first, last] = await Promise.all([ask('earliest'), ask('latest')]);
      const total = { records: 0, bytes: 0 };
      const startMs = machineClock.monotonicMs();
      const cancelProgress = machineClock.every(PROGRESS_MS, () => {
        terminal.err(`${counted(total.records, 'record')} read\n`);
      });
      try {
        const interrupted = new Promise<void>((resolve) => terminal.onInterrupt(resolve));
        const reads = indexes.map((partition, i) =>
          readThrough(client, { topic: name, partition, from: first[i]!.offset, until: last[i]!.offset }, total),
        );
        await Promise.race([Promise.all(reads), interrupted]);
      } finally {
        cancelProgress();
      }
      const seconds = (machineClock.monotonicMs() - startMs) / 1_000;
      report('read from', { topic: name, ...total, seconds }, options, terminal);
      return EXIT.ok;
    });
  },
});

/** Reads one partition up to an offset, and counts. @throws WeirError (as a rejection) */
function readThrough(
  client: Client,
  stretch: { readonly topic: string; readonly partition: number; readonly from: number; readonly until: number },
  total: { records: number; bytes: number },
): Promise<void> {
  const { topic, partition, from, until } = stretch;
  if (from >= until) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const request = { topic, partition, offset: from, creditBytes: CREDIT_BYTES };
    const subscription: Subscription = client.subscribe(request, {
      batches(records, { nextOffset }) {
        for (let at = 0; at < records.length; at += batchBytesOf(records, at))
          total.records += recordCountOf(records, at);
        total.bytes += records.length;
        if (nextOffset >= until) {
          subscription.close();
          resolve();
        } else subscription.credit(records.length);
      },
      caughtUp() {},
      ended: ({ code, message }) => reject(new WeirError(code, message)),
    });
  });
}
