import type { Client } from '@weir/client/client.ts';
import type { ProducerRecord } from '@weir/client/producer/send-call.ts';
import type { Sample } from './samples.ts';

/** A gateway that has not answered by then is taken for gone. */
const REQUEST_MS_MAX = 30_000;

/** Something that sends the samples of some hosts, keyed by host: those of a host stay in order, in one partition. */
export interface SampleProducer {
  readonly kind: 'native' | 'http';
  /** Resolves once all are acknowledged: durable, on every replica in sync. */
  send(samples: readonly Sample[]): Promise<void>;
}

/** With the native client: each sample is written once, over retries too. */
export function nativeProducer(client: Client, topic: string): SampleProducer {
  return {
    kind: 'native',
    async send(samples) {
      await Promise.all(samples.map((sample) => client.producer.send(topic, recordOf(sample))));
    },
  };
}

/**
 * With nothing but HTTP, through a gateway. It does not try again by itself: after an answer that did not come a sample might be
 * there already, and would count twice.
 */
export function httpProducer(gateway: string, topic: string): SampleProducer {
  return {
    kind: 'http',
    async send(samples) {
      const response = await fetch(`${gateway}/v1/topics/${topic}/records?keyField=host`, {
        method: 'POST',
        signal: AbortSignal.timeout(REQUEST_MS_MAX),
        headers: { 'content-type': 'application/x-ndjson' },
        body: samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''),
      }).catch((error: unknown) => {
        throw new Error(`no gateway answers at ${gateway}: say where it is with --gateway URL`, { cause: error });
      });
      const receipts = (await response.text()).trimEnd().split('\n');
      const refused = receipts.find((receipt) => !receipt.includes('"offset"'));
      if (response.status !== 200 || receipts.length !== samples.length || refused !== undefined) {
        throw new Error(`the gateway did not take ${samples.length} samples: ${response.status} ${refused ?? ''}`);
      }
    },
  };
}

function recordOf(sample: Sample): ProducerRecord {
  const { host, atMs } = sample;
  return { key: Buffer.from(host), value: Buffer.from(JSON.stringify(sample)), timestampMs: atMs };
}
