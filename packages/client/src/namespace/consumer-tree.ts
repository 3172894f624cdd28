import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import { ERRORS, refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { GROUP_CALL_MS } from '@weir/base/group-limits.ts';
import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import { RECONNECT_MS_MAX, RETRY_BACKOFF_MS_MAX, RETRY_BACKOFF_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Method } from '@weir/base/transport.ts';
import { partitionForGroup } from '@weir/kafka/records/partition-for-group.ts';
import {
  ConsumerTreeService,
  GetConsumerNodeRequestSchema,
  ListConsumerNodesRequestSchema,
} from '@weir/proto/weir/broker/v1/consumers_pb.js';
import type { ListConsumerNodesResponse } from '@weir/proto/weir/broker/v1/consumers_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { backoffMs } from '../backoff.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import type { TopicInfo } from '../metadata/cluster-image.ts';
import { noLeaderMessage } from '../metadata/no-leader.ts';
import { consumerNodeOf, logRevisionOf } from './consumer-node.ts';
import type { LogRevision } from './consumer-node.ts';
import { CONSUMERS } from './consumer-path.ts';
import type { ConsumerPath } from './consumer-path.ts';
import { ConsumerWatches } from './consumer-watches.ts';
import type { TreeNode } from './tree-node.ts';
import type { NamespaceWatch, WatchHandlers, WatchOptions } from './watch-link.ts';

const GET = protobufMethod(ConsumerTreeService.method.getConsumerNode);
const LIST = protobufMethod(ConsumerTreeService.method.listConsumerNodes);
const BACKOFF = { minMs: RETRY_BACKOFF_MS_MIN, maxMs: RETRY_BACKOFF_MS_MAX };

/** What was read, and where the log was whose it is. Of /consumers itself, which is of many logs, that is 0 and -1. */
export interface ConsumerRead extends LogRevision {
  readonly node: TreeNode | undefined;
}

/**
 * What is below /consumers: answered by the brokers that lead the partitions of `__consumer_offsets`, whoever that is at the time. What
 * is asked is asked again while nobody answers, for as long as a call may wait.
 */
export class ConsumerTree {
  readonly #parts: LeaderCallParts;
  readonly #waitMs: number;
  readonly #watches: ConsumerWatches;
  #isClosed = false;

  constructor(parts: LeaderCallParts, waitMs: number) {
    this.#parts = parts;
    this.#waitMs = waitMs;
    this.#watches = new ConsumerWatches(parts, () => this.#offsetsTopic(RECONNECT_MS_MAX));
  }

  /** A node. @throws WeirError (as a rejection) COORDINATOR_NOT_AVAILABLE when nobody answers for it in time */
  read({ path, group }: ConsumerPath, statOnly: boolean): Promise<ConsumerRead> {
    return this.#retry(path, async (untilMs) => {
      const topic = await this.#offsetsTopic(this.#left(untilMs));
      if (group === undefined) return { ...MANY, node: rootNode(await this.#count(topic, untilMs)) };
      if (topic === undefined) return { ...NOTHING, node: undefined };
      const address = this.#leaderOf(topic, partitionForGroup(group, topic.partitions.length));
      const request = create(GetConsumerNodeRequestSchema, { path, statOnly });
      const { at, node } = await this.#call(address, GET, request, untilMs);
      return { ...logRevisionOf(at), node: node === undefined ? undefined : consumerNodeOf(node) };
    });
  }

  /**
   * The names of a node's children, percent-encoded and in byte order. They are read in pages: of more than one, names that came or went
   * meanwhile may be among them or not.
   *
   * @throws WeirError (as a rejection): NODE_NOT_FOUND; COORDINATOR_NOT_AVAILABLE when nobody answers for it in time
   */
  children({ path, group }: ConsumerPath): Promise<LogRevision & { readonly names: readonly string[] }> {
    return this.#retry(path, async (untilMs) => {
      const topic = await this.#offsetsTopic(this.#left(untilMs));
      if (group === undefined) {
        const names = await this.#ofAll(topic, (address, partitions) =>
          this.#pages(address, { path, partitions }, untilMs),
        );
        return { ...MANY, names: names.flatMap((page) => page.names).toSorted() };
      }
      const absent = new WeirError('NODE_NOT_FOUND', `${path} is not there`);
      if (topic === undefined) throw absent;
      const address = this.#leaderOf(topic, partitionForGroup(group, topic.partitions.length));
      const { first, names } = await this.#pages(address, { path, partitions: [] }, untilMs);
      if (first.node === undefined) throw absent;
      return { ...logRevisionOf(first.at), names };
    });
  }

  /** Watches nodes, whoever leads. */
  watch(consumerPath: ConsumerPath, options: WatchOptions, handlers: WatchHandlers): NamespaceWatch {
    return this.#watches.watch(consumerPath, options, handlers);
  }

  close(): void {
    this.#isClosed = true;
    this.#watches.close();
  }

  /** How many groups there are. */
  async #count(topic: TopicInfo | undefined, untilMs: number): Promise<number> {
    const counts = await this.#ofAll(topic, async (address, partitions) => {
      const request = create(ListConsumerNodesRequestSchema, { path: `/${CONSUMERS}`, limit: 1, partitions });
      const { node } = await this.#call(address, LIST, request, untilMs);
      return node?.childCount ?? 0;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Asks each broker that leads some of the partitions, all at a time. */
  #ofAll<T>(
    topic: TopicInfo | undefined,
    ask: (address: string, partitions: number[]) => Promise<T>,
  ): Promise<readonly T[]> {
    const led = new Map<string, number[]>();
    for (const { index } of topic?.partitions ?? []) {
      const address = this.#leaderOf(topic!, index);
      led.set(address, [...(led.get(address) ?? []), index]);
    }
    return Promise.all([...led].map(([address, partitions]) => ask(address, partitions)));
  }

  async #pages(
    address: string,
    { path, partitions }: { readonly path: string; readonly partitions: number[] },
    untilMs: number,
  ): Promise<{ readonly first: ListConsumerNodesResponse; readonly names: readonly string[] }> {
    const names: string[] = [];
    let first: ListConsumerNodesResponse | undefined;
    for (;;) {
      const request = create(ListConsumerNodesRequestSchema, { path, partitions, after: names.at(-1) ?? '' });
      const page = await this.#call(address, LIST, request, untilMs);
      first ??= page;
      names.push(...page.names);
      if (!page.more) return { first, names };
    }
  }

  #call<Request, Response>(
    address: string,
    method: Method<Request, Response>,
    request: Request,
    untilMs: number,
  ): Promise<Response> {
    const deadlineMs = Math.min(GROUP_CALL_MS, this.#left(untilMs));
    return this.#parts.connections.to(address).call(method, request, { deadlineMs, connectMs: deadlineMs });
  }

  #left(untilMs: number): number {
    return Math.max(1, untilMs - this.#parts.world.clock.monotonicMs());
  }

  /** Undefined when there is none for certain: then there are no groups. @throws WeirError, as a rejection */
  async #offsetsTopic(waitMs: number): Promise<TopicInfo | undefined> {
    const { metadata } = this.#parts;
    await metadata.ready(waitMs);
    try {
      return await metadata.findTopic(OFFSETS_TOPIC);
    } catch (error) {
      if (error instanceof WeirError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined;
      throw error;
    }
  }

  /** @throws WeirError COORDINATOR_NOT_AVAILABLE */
  #leaderOf(topic: TopicInfo, partition: number): string {
    const leader = this.#parts.metadata.image.broker(topic.partitions[partition]?.leader ?? -1);
    if (leader === undefined) throw new WeirError('COORDINATOR_NOT_AVAILABLE', noLeaderMessage(topic, partition));
    return leader.grpcAddress;
  }

  async #retry<T>(path: string, attempt: (untilMs: number) => Promise<T>): Promise<T> {
    const { clock, random } = this.#parts.world;
    const untilMs = clock.monotonicMs() + this.#waitMs;
    for (let tries = 1; ; tries++) {
      if (this.#isClosed) throw new WeirError('SHUTTING_DOWN', 'the client is closed');
      const tried = await settled(attempt(untilMs));
      if ('answer' in tried) return tried.answer;
      const { code, message } = tried.refused;
      if (!ERRORS[code].retriable) throw new WeirError(code, message);
      const waitMs = backoffMs(tries, BACKOFF, random);
      if (clock.monotonicMs() + waitMs >= untilMs) throw unavailable(path, tried.refused);
      await sleep(clock, waitMs);
    }
  }
}

const MANY: LogRevision = { leaderEpoch: -1, revision: 0 };
/** There is no log yet. */
const NOTHING: LogRevision = { leaderEpoch: -1, revision: 0 };

function rootNode(childCount: number): TreeNode {
  const never = { createRevision: 0, modRevision: 0, version: 0, childrenVersion: 0, ephemeralOwner: 0 };
  return { path: `/${CONSUMERS}`, data: new Uint8Array(0), ...never, childCount };
}

async function settled<T>(asked: Promise<T>): Promise<{ readonly answer: T } | { readonly refused: Refusal }> {
  try {
    return { answer: await asked };
  } catch (error) {
    if (error instanceof WeirError) return { refused: refusal(error.code, error.message) };
    if (error instanceof TransportError) return { refused: error.failure };
    throw error;
  }
}

/** Without metadata it is the coordinator of the cluster that is missing, and not that of a group. */
function unavailable(path: string, { code, message }: Refusal): WeirError {
  if (code === 'COORDINATOR_UNAVAILABLE') return new WeirError(code, message);
  return new WeirError('COORDINATOR_NOT_AVAILABLE', `nobody answers for ${path} now: ${message}`);
}
