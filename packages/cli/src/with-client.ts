import { messageOf, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { UsageError } from './command.ts';

/** Runs `work` with a client that has the cluster's metadata, and closes the client after it. */
export async function withClient<T>(
  options: {
    readonly coordinators: string;
    readonly timeout: number;
    readonly autoCreateTopics?: boolean;
    readonly lingerMs?: number;
  },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { autoCreateTopics = false, lingerMs } = options;
  const producer = lingerMs === undefined ? {} : { producer: { lingerMs } };
  const client = new Client(
    { coordinators: options.coordinators.split(','), name: 'weir-cli', autoCreateTopics, ...producer },
    clientWorld,
  );
  try {
    await client.ready(options.timeout * 1000).catch((error: unknown) => {
      throw new Error(
        `no coordinator answers at ${options.coordinators} (${messageOf(error)}): ` +
          'start one with "weir dev", or say where it is with --coordinators HOST:PORT',
        { cause: error },
      );
    });
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Runs `work` with a client of the namespace, and closes the client after it, and with it every session. */
export async function withNamespace<T>(
  options: { readonly coordinators: string; readonly timeout: number },
  work: (namespace: NamespaceClient) => Promise<T>,
): Promise<T> {
  const coordinators = options.coordinators.split(',');
  const client = new NamespaceClient({ coordinators, name: 'weir-cli', waitMs: options.timeout * 1000 }, clientWorld);
  try {
    return await work(client);
  } catch (error) {
    throw inWords(error);
  } finally {
    await client.close();
  }
}

/** What was asked for; refusals are thrown with their code in the message. */
export async function refusedInWords<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw inWords(error);
  }
}

/** Why it was refused, each reason once. */
export function reasonsOf(refusals: readonly Refusal[]): string {
  return [...new Set(refusals.map(({ code, message }) => `${message} (${code})`))].join('; ');
}

function inWords(error: unknown): unknown {
  return error instanceof WeirError ? new Error(`${error.message} (${error.code})`, { cause: error }) : error;
}

/**
 * A topic by its name.
 *
 * @throws WeirError that names the topics that there are, when they are few
 */
export function topicOf(client: Client, name: string): TopicInfo {
  const topic = client.topic(name);
  if (topic !== undefined) return topic;
  const names = client
    .topics()
    .map((known) => known.name)
    .toSorted();
  const known = names.length === 0 ? 'there is none yet' : `there are: ${names.slice(0, 10).join(', ')}`;
  const more = names.length > 10 ? ', …' : '';
  throw new WeirError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}" (${known}${more})`);
}

/**
 * The partitions of a topic that are meant: the one that was named, or all.
 *
 * @param needsOne - the option that makes sense for one partition alone; undefined: none does
 * @throws UsageError, WeirError
 */
export function partitionsOf(
  { name, partitions }: TopicInfo,
  asked: number | undefined,
  needsOne: string | undefined,
): number[] {
  const count = partitions.length;
  if (asked === undefined) {
    if (needsOne !== undefined && count > 1) {
      throw new UsageError(`${needsOne} needs --partition: ${name} has ${count}, each with offsets of its own`);
    }
    return partitions.map(({ index }) => index);
  }
  if (asked < count) return [asked];
  throw new WeirError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `${name} has no partition ${asked}: ${count === 1 ? 'it has only 0' : `it has 0 to ${count - 1}`}`,
  );
}
