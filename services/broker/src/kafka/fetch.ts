import type { Clock } from '@weir/base/clock.ts';
import type { Random } from '@weir/base/random.ts';
import { KAFKA_PARTITIONS_PER_REQUEST_MAX } from '@weir/base/limits.ts';
import { Members } from '@weir/base/members.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { fetch } from '@weir/kafka/apis/fetch.ts';
import type { BrokerMetrics } from '../metrics.ts';
import type { Partitions } from '../partition/partitions.ts';
import type { Turn } from '../partition/turn.ts';
import type { ColdGate } from '../rpc/cold-gate.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Exchange } from './exchange.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { FetchWait } from './fetch-wait.ts';

/** What fetching needs. */
export interface FetchParts {
  readonly partitions: Partitions;
  readonly cluster: ClusterView;
  readonly clock: Clock;
  readonly random: Random;
  readonly turn: Turn;
  readonly metrics: BrokerMetrics;
  readonly slabs: Slabs;
  /** Lets so many reads be at the disk at a time. */
  readonly coldGate: ColdGate;
}

/** Answers Fetch: at once where there is enough to read, else when there is, or when the reader has waited enough. */
export class KafkaFetch {
  readonly #parts: FetchParts;
  readonly #sessions: FetchSessions;
  readonly #waits = new Members<FetchWait>();
  readonly #done = (wait: FetchWait): void => this.#waits.remove(wait);

  constructor(parts: FetchParts) {
    this.#parts = parts;
    this.#sessions = new FetchSessions(parts.clock, parts.random);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Readers that wait for records. */
  get waiting(): number {
    return this.#waits.size;
  }

  handle(exchange: Exchange<typeof fetch>): void {
    const { topics } = exchange.request;
    const asked = topics.reduce((count, { partitions }) => count + partitions.length, 0);
    if (asked > KAFKA_PARTITIONS_PER_REQUEST_MAX) return exchange.hangUp(`it reads ${asked} partitions at a time`);
    const context = this.#sessions.contextOf(exchange.request);
    if ('errorCode' in context) {
      exchange.answer({ throttleTimeMs: 0, errorCode: context.errorCode, sessionId: 0, responses: [] });
      return;
    }
    const wait = new FetchWait(exchange, context, this.#parts, this.#done);
    this.#waits.add(wait);
    wait.begin();
  }

  /** Answers all that wait with what there is. */
  stop(): void {
    for (const wait of this.#waits.snapshot()) wait.finish();
  }
}
