import { WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { NODE_PATH_BYTES_MAX } from '@weir/base/limits.ts';
import { sha256Of } from '@weir/runtime/digest.ts';
import type { TopicPartition } from '@weir/client/group/assignor.ts';
import type { GatewayNamespace } from '../gateway-client.ts';
import { HttpFailure } from '../http/failure.ts';
import type { HttpConsumerSettings } from './consumer-settings.ts';
import type { HttpConsumerName } from './http-consumer.ts';
import type { StoredSeek } from './stored-seeks.ts';

/** The gateway that has a consumer. */
export interface ConsumerOwner {
  readonly gateway: string;
  /** Where other gateways reach it. */
  readonly http: string;
  /** Its session, which shows it below /gateways/ids: one that came back has another. */
  readonly session: number;
}

/** What a consumer reads, as it is stored. */
export type StoredReads =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'topics'; readonly topics: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'partitions'; readonly partitions: readonly TopicPartition[] };

/** What is stored of a consumer: all that another gateway needs to go on with it at what was committed, or where it was moved to. */
export interface StoredConsumer {
  readonly settings: HttpConsumerSettings;
  readonly reads: StoredReads;
  /** Absent: none. */
  readonly seeks?: readonly StoredSeek[];
  readonly owner: ConsumerOwner;
  readonly isExpired: boolean;
}

const ROOT = '/http-consumers';
const FORMAT_VERSION = 1;
/** What no name begins with that is an array in JSON. */
const HASHED = '~';

/** The nodes of consumers over HTTP, one each: written when one is made, taken over, moved, or reads something else; never for a read. */
export class ConsumerNodes {
  readonly #namespace: GatewayNamespace;
  #hasRoot = false;

  constructor(namespace: GatewayNamespace) {
    this.#namespace = namespace;
  }

  /** Undefined: there is none. @throws HttpFailure (as a rejection) when a newer gateway wrote it */
  async read(
    who: HttpConsumerName,
  ): Promise<{ readonly stored: StoredConsumer; readonly version: number } | undefined> {
    const found = await unless('NODE_NOT_FOUND', this.#namespace.get(pathOf(who)));
    if (found === undefined) return undefined;
    const { version, ...stored } = JSON.parse(Buffer.from(found.node.data).toString('utf8')) as StoredConsumer & {
      version: number;
    };
    if (version > FORMAT_VERSION) {
      const message = `consumer "${who.name}" is stored in version ${version}, of a newer gateway; this one knows ${FORMAT_VERSION}`;
      throw new HttpFailure('CONSUMER_STATE', message);
    }
    return { stored, version: found.node.version };
  }

  /** The node's version; undefined: there is one already. */
  async create(who: HttpConsumerName, stored: StoredConsumer): Promise<number | undefined> {
    if (!this.#hasRoot) await unless('NODE_EXISTS', this.#namespace.create(ROOT, ''));
    this.#hasRoot = true;
    return (await unless('NODE_EXISTS', this.#namespace.create(pathOf(who), dataOf(who, stored))))?.version;
  }

  /** The node's next version; undefined: somebody else has written or deleted it. */
  async write(who: HttpConsumerName, stored: StoredConsumer, version: number): Promise<number | undefined> {
    const writing = this.#namespace.set(pathOf(who), dataOf(who, stored), { version });
    return (await unless('NODE_NOT_FOUND', unless('BAD_VERSION', writing)))?.version;
  }

  /** Deletes it, unless somebody else has written it. */
  async delete(who: HttpConsumerName, version: number): Promise<void> {
    await unless('NODE_NOT_FOUND', unless('BAD_VERSION', this.#namespace.delete(pathOf(who), { version })));
  }

  /** All that there are. */
  async list(): Promise<readonly HttpConsumerName[]> {
    const found = await unless('NODE_NOT_FOUND', this.#namespace.children(ROOT));
    const list: HttpConsumerName[] = [];
    for (const name of found?.names ?? []) {
      const who = name.startsWith(HASHED) ? await this.#whoIn(`${ROOT}/${name}`) : decodeURIComponent(name);
      if (who === undefined) continue;
      const [groupId, consumer] = JSON.parse(who) as [string, string];
      list.push({ groupId, name: consumer });
    }
    return list;
  }

  /** Who a consumer is whose node does not have its name; undefined when it has gone meanwhile. */
  async #whoIn(path: string): Promise<string | undefined> {
    const found = await unless('NODE_NOT_FOUND', this.#namespace.get(path));
    return found && (JSON.parse(Buffer.from(found.node.data).toString('utf8')) as { who: string }).who;
  }

  /** Whether a gateway is there, with the session that it had. */
  async isAlive({ gateway, session }: ConsumerOwner): Promise<boolean> {
    const path = `/gateways/ids/${encodeURIComponent(gateway)}`;
    const found = await unless('NODE_NOT_FOUND', this.#namespace.get(path));
    return found?.node.ephemeralOwner === session;
  }
}

/** A node has the names of group and consumer in its own, unless they are too long for that: a hash of them then. */
function pathOf(who: HttpConsumerName): string {
  const path = `${ROOT}/${encodeURIComponent(whoText(who))}`;
  if (path.length <= NODE_PATH_BYTES_MAX) return path;
  return `${ROOT}/${HASHED}${sha256Of(whoText(who))}`;
}

function whoText({ groupId, name }: HttpConsumerName): string {
  return JSON.stringify([groupId, name]);
}

function dataOf(who: HttpConsumerName, stored: StoredConsumer): string {
  return JSON.stringify({ version: FORMAT_VERSION, who: whoText(who), ...stored });
}

async function unless<T>(code: ErrorCode, call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof WeirError && error.code === code) return undefined;
    throw error;
  }
}
