import { SLAB_BYTES } from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import { onBulkStream } from '@weir/base/transport.ts';
import type { Stream } from '@weir/base/transport.ts';
import { grpcTransport } from '@weir/runtime/grpc-transport.ts';
import { DOWNLOAD } from './streams.ts';

/** The other end of `benchStreams`, in a process of its own: it says what it is asked for as fast as it is taken. */

const slabs = new Slabs({ slabBytes: SLAB_BYTES, idleBytesMax: 64 * 1024 ** 2 });

function send(stream: Stream<Uint8Array>, message: Buffer, count: number): () => void {
  let left = count;
  return () => {
    while (left > 0) {
      left -= 1;
      if (left === 0) slabs.release(message);
      if (!stream.send(message)) return;
    }
  };
}

const { address } = await grpcTransport.listen('127.0.0.1:0', [
  onBulkStream(DOWNLOAD, slabs, (stream) => {
    let more: (() => void) | undefined;
    return {
      message(request) {
        const asked = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
        more = send(stream, slabs.allocate(asked.readUInt32BE(0)).fill(1), asked.readUInt32BE(4));
        more();
      },
      drained: () => more?.(),
      closed() {},
    };
  }),
]);
process.on('disconnect', () => process.exit());
process.send!(address);
