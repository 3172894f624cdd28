import { fork } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { SLAB_BYTES } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import type { Codec, Connection, Method, Stream, StreamHandlers } from '@weir/base/transport.ts';
import { grpcTransport } from '@weir/runtime/grpc-transport.ts';
import { cpuSeconds, print, residentMiB } from './measure.ts';

const BYTES = 2e9;

const bytes: Codec<Uint8Array> = {
  encode: (message) => message,
  encodeParts: (message) => [message],
  decode: (message) => message,
};
/** Asks for messages: the size of each and how many, big-endian. */
export const DOWNLOAD: Method<Uint8Array, Uint8Array> = {
  path: '/bench.Streams/Download',
  request: bytes,
  response: bytes,
};

type Open = (connection: Connection, handlers: StreamHandlers<Uint8Array>) => Stream<Uint8Array>;

const slabs = new Slabs({ slabBytes: SLAB_BYTES, idleBytesMax: 64 * 1024 ** 2 });
const WAYS: readonly (readonly [name: string, open: Open])[] = [
  ['grpc-js', (connection, handlers) => connection.open(DOWNLOAD, handlers)],
  ['bulk stream', (connection, handlers) => connection.openBulk(DOWNLOAD, slabs, handlers)],
];

/** What it costs a client to receive a stream of payload; what it receives is looked at by nobody. */
export async function benchStreams(): Promise<void> {
  console.log(`\nStreams: a client receives ${BYTES / 1e9} GB from a server in another process`);
  const server = fork(new URL('./stream-server.ts', import.meta.url));
  try {
    const [address] = (await once(server, 'message')) as [string];
    for (const messageBytes of [64 * 1024, 1024 * 1024]) {
      for (const [name, open] of WAYS) {
        // The first one warms it up.
        await download(address, open, messageBytes);
        const start = performance.now();
        const [ours, theirs] = [cpuSeconds(process.pid), cpuSeconds(server.pid!)];
        await download(address, open, messageBytes);
        const gigabytes = BYTES / 1e9;
        const megabytesPerSecond = BYTES / 1e3 / (performance.now() - start);
        print({
          name: `${name}, messages of ${messageBytes / 1024} KiB`,
          result:
            `${megabytesPerSecond.toFixed(0)} MB/s, CPU s/GB: client ` +
            `${((cpuSeconds(process.pid) - ours) / gigabytes).toFixed(2)}, server ` +
            `${((cpuSeconds(server.pid!) - theirs) / gigabytes).toFixed(2)}; RSS ${residentMiB(process.pid).toFixed(0)} MiB`,
        });
      }
    }
  } finally {
    server.kill();
  }
}

function download(address: string, open: Open, messageBytes: number): Promise<void> {
  const connection = grpcTransport.connect(address);
  return new Promise<void>((resolve, reject) => {
    let left = Math.ceil(BYTES / messageBytes);
    const stream = open(connection, {
      message() {
        left -= 1;
        if (left === 0) stream.end();
      },
      drained() {},
      closed: (failure) => (failure === undefined ? resolve() : reject(new Error(failure.message))),
    });
    const request = Buffer.alloc(8);
    request.writeUInt32BE(messageBytes, 0);
    request.writeUInt32BE(left, 4);
    stream.send(request);
  }).finally(() => connection.close());
}
