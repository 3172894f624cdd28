import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { KafkaWriter } from './kafka-writer.ts';
import { LoadTally, untilInputEnds } from './load-tally.ts';

/**
 * Runs in a pod of the cluster under test, among the image's own packages: writes numbered records over Kafka's protocol,
 * an idempotent producer a partition, until standard input ends, then prints what became of them. A batch is sent once, or
 * again and again for `--retry-ms`, each time to whoever leads then.
 */

/** Who has not answered by then may be gone without a word. */
const TRY_MS_MAX = 5_000;
const RECORDS_PER_BATCH = 10;

const { values } = parseArgs({
  options: {
    bootstrap: { type: 'string' },
    topic: { type: 'string' },
    partitions: { type: 'string', default: '1' },
    'first-number': { type: 'string', default: '0' },
    'pace-ms': { type: 'string', default: '0' },
    'retry-ms': { type: 'string', default: '0' },
  },
});
const topic = { bootstrap: values.bootstrap!, name: values.topic! };
const tally = new LoadTally(Number(values['first-number']));
const input = untilInputEnds();

await Promise.all(Array.from({ length: Number(values.partitions) }, (_, partition) => write(partition)));
process.stdout.write(`${JSON.stringify(tally.result())}\n`, () => process.exit(0));

async function write(partition: number): Promise<void> {
  let writer = new KafkaWriter(topic, partition);
  while (!input.ended) {
    const numbers = tally.take(RECORDS_PER_BATCH);
    const deadlineMs = performance.now() + Number(values['retry-ms']);
    for (;;) {
      try {
        const baseOffset = await within(TRY_MS_MAX, writer.send(numbers));
        for (const [i, number] of numbers.entries()) tally.acknowledge(partition, baseOffset + i, number);
        writer.sequence += numbers.length;
        break;
      } catch (error) {
        writer.disconnect();
        const why = error instanceof Error ? error.message : String(error);
        if (performance.now() < deadlineMs) {
          await tally.retry(why);
          continue;
        }
        await tally.fail(why);
        // Nobody knows whether it is stored, nor which sequence number comes next.
        writer = new KafkaWriter(topic, partition);
        break;
      }
    }
    await pause(Number(values['pace-ms']));
  }
  writer.disconnect();
}

/** @throws Error (as a rejection) when it takes longer */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = pause(ms, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`no answer within ${ms / 1_000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timeout.abort();
  }
}
