import { messageOf, WeirError } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { grpcTransport } from '@weir/runtime/grpc-transport.ts';
import { machineClock, machineRandom } from '@weir/runtime/machine.ts';
import type { Logger } from '@weir/runtime/world.ts';

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
  const world = { clock: machineClock, random: machineRandom, transport: grpcTransport, logger: silentLogger };
  const { autoCreateTopics = false, lingerMs } = options;
  const producer = lingerMs === undefined ? {} : { producer: { lingerMs } };
  const client = new Client(
    { coordinators: options.coordinators.split(','), name: 'weir-cli', autoCreateTopics, ...producer },
    world,
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

function silent(): void {}

/** A command tells its user how it ended; what happens on the way is for services to log. */
const silentLogger = {
  level: 'silent',
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
  child: () => silentLogger,
} as unknown as Logger;
