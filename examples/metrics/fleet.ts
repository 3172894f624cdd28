import type { Client } from '@weir/client/client.ts';
import { httpProducer, nativeProducer } from './producers.ts';
import type { SampleProducer } from './producers.ts';
import { SAMPLE_MS, sampleOf } from './samples.ts';
import type { Sample } from './samples.ts';

/** Four with the native client, two over HTTP; each has hosts of its own. */
const PRODUCERS: readonly SampleProducer['kind'][] = ['native', 'native', 'native', 'native', 'http', 'http'];
const HOSTS_PER_PRODUCER = 10;
export const HOSTS = PRODUCERS.length * HOSTS_PER_PRODUCER;

/** Simulated hosts and those who send their samples. */
export class Fleet {
  readonly #producers: readonly SampleProducer[];
  readonly #startMs: number;
  #ticks = 0;

  private constructor(producers: readonly SampleProducer[], startMs: number) {
    this.#producers = producers;
    this.#startMs = startMs;
  }

  /** `connect`: a client for a producer. `startMs`: when the hosts' time begins, in milliseconds since 1970. */
  static async start(
    connect: (name: string) => Promise<Client>,
    { gateway, topic, startMs }: { readonly gateway: string; readonly topic: string; readonly startMs: number },
  ): Promise<Fleet> {
    const producers = PRODUCERS.map(async (kind, i) =>
      kind === 'http' ? httpProducer(gateway, topic) : nativeProducer(await connect(`producer-${i + 1}`), topic),
    );
    return new Fleet(await Promise.all(producers), startMs);
  }

  /** How many samples there were. */
  get samples(): number {
    return this.#ticks * HOSTS;
  }

  /** How old the last ones are, in the hosts' time. */
  get ageMs(): number {
    return (this.#ticks - 1) * SAMPLE_MS;
  }

  /**
   * A sample of every host, each SAMPLE_MS after its last one. The hosts' time goes on once all are acknowledged; over HTTP two moments
   * are sent at a time, so that samples of different hosts do not come in the order of their times.
   */
  async tick(): Promise<void> {
    const tick = this.#ticks++;
    const moments = { native: [tick], http: tick === 0 ? [0] : tick % 2 === 0 ? [tick - 1, tick] : [] };
    const sent = this.#producers.map((producer, i) => {
      const samples = moments[producer.kind].flatMap((moment) => this.#samplesAt(moment, i * HOSTS_PER_PRODUCER));
      return samples.length === 0 ? Promise.resolve() : producer.send(samples);
    });
    await Promise.all(sent);
  }

  #samplesAt(tick: number, firstHost: number): Sample[] {
    const atMs = this.#startMs + tick * SAMPLE_MS;
    return Array.from({ length: HOSTS_PER_PRODUCER }, (_, i) => sampleOf(firstHost + i, atMs));
  }
}
