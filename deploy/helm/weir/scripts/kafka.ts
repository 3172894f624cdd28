import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * As much of Kafka's protocol as it takes to find the leaders of a topic and to ask each where its log ends: the image
 * has no Kafka client. It stands by itself, as the pod of `helm test` has nothing but this folder.
 */

const METADATA = { key: 3, version: 1 };
const LIST_OFFSETS = { key: 2, version: 1 };
const LATEST = -1n;
const CONSUMER = -1;
const ANSWER_MS_MAX = 10_000;
/** A topic that was created a moment ago is not known everywhere yet. */
const LEADERS_MS_MAX = 10_000;
const LEADERS_LOOK_MS = 100;

/** A partition, and where its leader wants to be found. */
interface Led {
  readonly partition: number;
  readonly address: string;
}

/**
 * Where the logs of a topic's partitions end, each as its leader says.
 *
 * @param bootstrap - host:port of any broker
 * @throws Error that names who does not answer, or what has no leader
 */
export async function endOffsets(bootstrap: string, topic: string): Promise<Map<number, bigint>> {
  const ends = new Map<number, bigint>();
  for (const { partition, address } of await leaders(bootstrap, topic)) {
    const body = [int32(CONSUMER), int32(1), text(topic), int32(1), int32(partition), int64(LATEST)];
    const answer = await ask(address, LIST_OFFSETS, body);
    answer.int32();
    answer.text();
    answer.int32();
    answer.int32();
    const error = answer.int16();
    if (error !== 0) throw new Error(`${address} answers with error ${error} for ${topic}-${partition}`);
    answer.int64();
    ends.set(partition, answer.int64());
  }
  return ends;
}

async function leaders(bootstrap: string, topic: string): Promise<Led[]> {
  const untilMs = Date.now() + LEADERS_MS_MAX;
  for (;;) {
    const found = leadersIn(await ask(bootstrap, METADATA, [int32(1), text(topic)]));
    if (typeof found !== 'string') return found;
    if (Date.now() > untilMs) throw new Error(`${bootstrap} says of ${topic}: ${found}`);
    await pause(LEADERS_LOOK_MS);
  }
}

/** What an answer to Metadata tells; in words, why there is not a leader for each partition. */
function leadersIn(answer: Answer): Led[] | string {
  const addresses = new Map<number, string>();
  for (let left = answer.int32(); left > 0; left--) {
    addresses.set(answer.int32(), `${answer.text()}:${answer.int32()}`);
    answer.text();
  }
  answer.int32();
  answer.int32();
  const error = answer.int16();
  if (error !== 0) return `error ${error}`;
  answer.text();
  answer.skip(1);
  const led: Led[] = [];
  for (let left = answer.int32(); left > 0; left--) {
    answer.int16();
    const partition = answer.int32();
    const leader = answer.int32();
    answer.skip(4 * answer.int32());
    answer.skip(4 * answer.int32());
    const address = addresses.get(leader);
    if (address === undefined) return `partition ${partition} has no leader among ${[...addresses.values()].join()}`;
    led.push({ partition, address });
  }
  return led;
}

/** One request on a connection of its own. */
async function ask(
  address: string,
  { key, version }: { readonly key: number; readonly version: number },
  body: readonly Buffer[],
): Promise<Answer> {
  const colon = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error(`nothing for ${ANSWER_MS_MAX} ms`)));
  try {
    await once(socket, 'connect');
    const request = Buffer.concat([int16(key), int16(version), int32(1), text('weir-test'), ...body]);
    socket.write(Buffer.concat([int32(request.length), request]));
    let received: Buffer = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      // The length, and then the number of the request.
      if (received.length >= 8 && received.length >= 4 + received.readInt32BE(0)) return new Answer(received, 8);
    }
    throw new Error('the connection ended without an answer');
  } catch (error) {
    throw new Error(`${address} does not answer over Kafka's protocol: ${(error as Error).message}`, { cause: error });
  } finally {
    socket.destroy();
  }
}

/** Reads an answer from its beginning to its end. */
class Answer {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  skip(bytes: number): number {
    const from = this.#at;
    this.#at += bytes;
    return from;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.skip(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.skip(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.skip(8));
  }

  /** Empty for null as well. */
  text(): string {
    const length = Math.max(0, this.int16());
    const from = this.skip(length);
    return this.#bytes.toString('utf8', from, from + length);
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
}
