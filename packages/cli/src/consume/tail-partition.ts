import { messageOf, WeirError } from '@weir/base/errors.ts';
import type { Client } from '@weir/client/client.ts';
import type { Subscription } from '@weir/client/consumer/subscription.ts';
import type { Printer } from './printer.ts';

/** Read ahead of the output: a reader that stops costs no more than this. */
const CREDIT_BYTES = 1024 * 1024;

/** A stretch of a partition; without an end it is followed. */
export interface Stretch {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly until: number | undefined;
}

/**
 * Prints a stretch of a partition. Resolves at its end or when the printer stops.
 *
 * @throws WeirError (as a rejection) when the partition cannot be read on
 */
export function tailPartition(client: Client, stretch: Stretch, printer: Printer): Promise<void> {
  const { topic, partition, from } = stretch;
  const until = stretch.until ?? Number.MAX_SAFE_INTEGER;
  if (from >= until || printer.stopped) return Promise.resolve();
  return new Promise((resolve, reject) => {
    let next = from;
    let over = false;
    let subscription: Subscription | undefined;
    const finish = (error?: Error): void => {
      if (over) return;
      over = true;
      forget();
      subscription?.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const forget = printer.onStop(() => finish());
    subscription = client.subscribe(
      { topic, partition, offset: from, creditBytes: CREDIT_BYTES },
      {
        batches(records, info) {
          if (over) return;
          try {
            next = printer.print(partition, records, { from: next, until });
          } catch (error) {
            return finish(new Error(`partition ${partition} of ${topic}: ${messageOf(error)}`, { cause: error }));
          }
          if (Math.max(next, info.nextOffset) >= until || printer.stopped) return finish();
          void printer.drained().then(() => {
            if (!over) subscription?.credit(records.length);
          });
        },
        caughtUp(info) {
          // A stretch whose last offsets hold no records ends with the partition.
          if (stretch.until !== undefined && info.highWatermark >= until) finish();
        },
        ended: (refusal) =>
          finish(new WeirError(refusal.code, `partition ${partition} of ${topic}: ${refusal.message}`)),
      },
    );
    if (over) subscription.close();
  });
}
