import { present } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import { topicNameProblem } from '@weir/base/ids.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { Random } from '@weir/base/random.ts';
import type { Logger, Registry, Tracer } from '@weir/runtime/world.ts';
import type { ConsumerPlaces } from './consumers/consumer-places.ts';
import type { ConsumerTable } from './consumers/consumer-table.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { ByteBudget } from './http/byte-budget.ts';
import { HttpFailure } from './http/failure.ts';
import type { GatewayMetrics } from './metrics.ts';

/** What handlers work with. */
export interface GatewayContext {
  readonly client: GatewayClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly registry: Registry;
  readonly metrics: GatewayMetrics;
  /** What all requests together may hold. */
  readonly budget: ByteBudget;
  /** What one read brings at most, but for its last record. */
  readonly readBytes: number;
  /** What the producer may hold. */
  readonly producerBufferBytes: number;
  /** Consumers over HTTP that this gateway has. */
  readonly consumers: ConsumerTable;
  /** And where all of them are. */
  readonly consumerPlaces: ConsumerPlaces;
  /** Streamed answers, of both directions, that are under way. */
  readonly streams: StreamCount;
  /** Aborts when the gateway stops, so that nobody waits any longer. */
  readonly stopping: AbortSignal;
  /** Why the gateway cannot serve, or undefined. */
  notReady(): string | undefined;
}

/** Counts long-lived answers up to a limit. */
export class StreamCount {
  readonly #limit: number;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** @throws HttpFailure OVERLOADED when there are as many as may be */
  enter(): void {
    if (this.#count >= this.#limit) {
      throw new HttpFailure(
        'OVERLOADED',
        `this gateway has ${this.#limit} streams, which is its limit: try another one, or later`,
      );
    }
    this.#count++;
  }

  leave(): void {
    this.#count--;
  }
}

/** A topic's name from a path. @throws HttpFailure */
export function topicName(params: Readonly<Record<string, string>>): string {
  const name = params['topic'] ?? '';
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new HttpFailure('INVALID_TOPIC_EXCEPTION', problem);
  return name;
}

/** A topic that exists. @throws HttpFailure (as a rejection) */
export async function knownTopic(
  context: GatewayContext,
  params: Readonly<Record<string, string>>,
): Promise<TopicInfo> {
  const name = topicName(params);
  const known = context.client.topic(name);
  if (known !== undefined) return known;
  try {
    // Another gateway may have created it a moment ago: a question about nothing asks the coordinator for it.
    await context.client.listOffsets(name, []);
  } catch (error) {
    throw error instanceof WeirError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION' ? unknownTopic(name) : error;
  }
  return present(context.client.topic(name), 'a topic that was found is known');
}

/** @throws HttpFailure while nothing is known of the cluster, which must not look like an empty one */
export function requireMetadata(context: GatewayContext): void {
  if (context.client.revision >= 0) return;
  throw new HttpFailure(
    'COORDINATOR_UNAVAILABLE',
    'no coordinator has told this gateway of the cluster yet: try again',
  );
}

/** The failure for a topic that is not there. */
export function unknownTopic(name: string): HttpFailure {
  return new HttpFailure(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `there is no topic "${name}": create it with POST /v1/topics {"name":"${name}"}, or see GET /v1/topics`,
  );
}

/** A partition's number as text, checked against its topic. @throws HttpFailure */
export function knownPartition(topic: TopicInfo, text: string): number {
  const index = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(index)) {
    throw new HttpFailure('INVALID_REQUEST', `the partition ${JSON.stringify(text)} is not a whole number from 0`);
  }
  if (index >= topic.partitions.length) {
    const last = topic.partitions.length - 1;
    throw new HttpFailure(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `the topic "${topic.name}" has ${last === 0 ? 'only partition 0' : `partitions 0 to ${last}`}, not ${index}`,
    );
  }
  return index;
}
