import { connect as connectHttp2, constants } from 'node:http2';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { STREAM_ABORT_MS, STREAM_QUEUE_BYTES } from '@weir/base/limits.ts';
import type { Stream } from '@weir/base/transport.ts';
import { closeAll, closers, Dam, MIB, open, poisoned, POISON, roundTrip, setUp, until } from './grpc-bulk-test-kit.ts';

afterEach(closeAll);

/** A server whose connection has a write that does not come back, as its client takes nothing from the socket. */
async function withStuckSocket() {
  // Keepalive would end it, and an aborted stream ends when a test says so.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closers.push(() => void vi.useRealTimers());
  const slabs = poisoned();
  let sender!: Stream<readonly Uint8Array[]>;
  const { address, listener } = await setUp((stream) => {
    sender = stream;
    return {};
  }, slabs);
  const dam = await Dam.before(address);
  const window = 64 * MIB;
  const session = connectHttp2(`http://127.0.0.1:${dam.port}`, { settings: { initialWindowSize: window } });
  closers.push(() => session.destroy());
  session.on('error', () => {});
  session.on('connect', () => session.setLocalWindowSize(window));
  const call = open(session);
  await until(() => sender !== undefined);
  await roundTrip(session);
  dam.upstream.pause();
  // More than the sockets' buffers hold.
  for (let quiet = 0; quiet < 500; quiet += 1) {
    while (slabs.usedBytes < STREAM_QUEUE_BYTES) {
      const piece = slabs.allocate(MIB).fill(1);
      sender.send([piece]);
      slabs.release(piece);
      quiet = 0;
    }
    await turn();
  }
  return { slabs, sender, listener, dam, call };
}

/** Whether memory that was used again has gone out. */
function saidPoison({ passed }: Dam): boolean {
  const said = Buffer.concat(passed);
  if (said.length < MIB) throw new Error('the server has said nothing');
  return said.includes(Buffer.alloc(64, POISON));
}

test('memory that the socket has not taken is not used again when its stream is given up', async () => {
  const { slabs, sender, dam, call } = await withStuckSocket();
  sender.abort({ kind: 'refused', code: 'INVALID_REQUEST', message: 'enough' });
  vi.advanceTimersByTime(STREAM_ABORT_MS);
  for (let i = 0; i < 100; i++) await turn();
  // What the connection may be writing is kept; what waited behind it is not.
  expect(slabs.usedBytes).toBe(MIB);
  dam.upstream.resume();
  expect(await call.over).toEqual({ 'grpc-status': `closed with ${constants.NGHTTP2_CANCEL}` });
  await until(() => slabs.usedBytes === 0);
  expect(saidPoison(dam)).toBe(false);
});

test('nor when its connection is given up', async () => {
  const { slabs, listener, dam, call } = await withStuckSocket();
  void listener.close(0);
  vi.advanceTimersByTime(1);
  dam.upstream.resume();
  expect((await call.over)['grpc-status']).toMatch(/^closed/);
  await until(() => slabs.usedBytes === 0);
  expect(saidPoison(dam)).toBe(false);
});
