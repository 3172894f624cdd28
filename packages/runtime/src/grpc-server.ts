import type { Http2Server, ServerHttp2Session, Settings } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import * as limits from '@weir/base/limits.ts';
import { withPort } from '@weir/base/options.ts';
import type { Handler, Listener, Stream, StreamHandlers } from '@weir/base/transport.ts';
import { takeBulkStreams } from './grpc-bulk-server.ts';
import { fromGrpcMetadata, statusFor, statusForThrown } from './grpc-failure.ts';

/** Answers the handlers' methods on host:port; port 0 takes a free one. */
export async function listen(address: string, handlers: readonly Handler[]): Promise<Listener> {
  const server = new Server({
    'grpc.max_receive_message_length': limits.GRPC_MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': limits.GRPC_MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': limits.GRPC_STREAMS_MAX,
    'grpc.keepalive_time_ms': limits.KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': limits.KEEPALIVE_TIMEOUT_MS,
    'grpc-node.max_session_memory': limits.GRPC_SESSION_MEMORY_MIB,
    'grpc.enable_channelz': 0,
  });
  widenStreamWindows(server);
  for (const handler of handlers) register(server, handler);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new Error(`cannot listen on ${address}: ${bindProblem(error.message)}`, { cause: error }));
    });
  });
  const sessions = new Set<ServerHttp2Session>();
  for (const http2Server of http2ServersOf(server)) {
    prepareConnections(http2Server, sessions);
    takeBulkStreams(http2Server, handlers);
  }
  return {
    address: withPort(address, port),
    close: (graceMs) => closeServer(server, sessions, graceMs),
  };
}

function bindProblem(message: string): string {
  return message.includes('EADDRINUSE') ? 'the port is taken by another process' : message;
}

function closeServer(server: Server, sessions: ReadonlySet<ServerHttp2Session>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      server.forceShutdown();
      // grpc-js forgets its connections where channelz is off, and then waits for them.
      for (const session of sessions) session.destroy();
      // Nor does it hear of a connection whose other end went away in silence.
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

function register(server: Server, handler: Handler): void {
  const { method } = handler;
  const serialize = (message: unknown): Buffer => {
    const bytes = method.response.encode(message);
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  switch (handler.kind) {
    case 'call': {
      const { answer } = handler;
      const unary = (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>): void => {
        Promise.resolve()
          .then(() => answer(call.request, fromGrpcMetadata(call.metadata), call.getPeer()))
          .then(
            (response) => done(null, response),
            (error: unknown) => done(statusForThrown(error)),
          );
      };
      server.register(method.path, unary, serialize, method.request.decode, 'unary');
      return;
    }
    case 'stream': {
      // A bulk handler's parts are good only within `send`, and grpc-js would encode them later.
      const eager = handler.slabs !== undefined;
      const bidi = (call: ServerDuplexStream<unknown, unknown>): void =>
        acceptStream(call, handler.accept, eager ? serialize : (message) => message);
      const late = eager ? (bytes: unknown): Buffer => bytes as Buffer : serialize;
      server.register(method.path, bidi, late, method.request.decode, 'bidi');
      return;
    }
  }
}

function acceptStream(
  call: ServerDuplexStream<unknown, unknown>,
  accept: Extract<Handler, { kind: 'stream' }>['accept'],
  prepare: (message: unknown) => unknown,
): void {
  let open = true;
  const close = (failure: Parameters<StreamHandlers<unknown>['closed']>[0]): void => {
    if (!open) return;
    open = false;
    handlers.closed(failure);
  };
  const stream: Stream<unknown> = {
    send: (message) => open && call.write(prepare(message)),
    end: () => void call.end(),
    abort(failure) {
      if (!open) return;
      open = false;
      // Frames still arrive until the client knows; nobody listens any more.
      call.emit('error', statusFor(failure));
    },
  };
  const handlers = accept(stream, fromGrpcMetadata(call.metadata), call.getPeer());
  call.on('data', (message: unknown) => {
    if (open) handlers.message(message);
  });
  call.on('drain', () => {
    if (open) handlers.drained();
  });
  call.on('error', (error: Error) => close({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: error.message }));
  const wentAway = (): void => close({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'the client went away' });
  call.on('cancelled', wentAway);
  call.on('end', () => {
    // A stream that was reset ends as well, just before it is known to be cancelled.
    setImmediate(() => {
      if (call.cancelled) wentAway();
      else close(undefined);
      call.end();
    });
  });
}

/*
 * grpc-js gives its client a flow control window to set and its server none: a producer's stream would stop every
 * 64 KiB for a round trip. Its HTTP/2 servers are within reach under private names; where a later version has renamed
 * them, streams are slower and nothing else changes (a test notices).
 */
function widenStreamWindows(server: Server): void {
  const { commonServerOptions } = server as unknown as { commonServerOptions?: { settings?: Settings } };
  if (commonServerOptions === undefined) return;
  commonServerOptions.settings = {
    ...commonServerOptions.settings,
    initialWindowSize: limits.GRPC_WINDOW_BYTES,
    maxFrameSize: limits.GRPC_FRAME_BYTES,
  };
}

function http2ServersOf(server: Server): Http2Server[] {
  const { http2Servers } = server as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> };
  return [...(http2Servers?.keys() ?? [])];
}

/** Notes the server's connections as well. */
function prepareConnections(server: Http2Server, sessions: Set<ServerHttp2Session>): void {
  server.on('session', (session: ServerHttp2Session) => {
    session.setLocalWindowSize(limits.GRPC_WINDOW_BYTES);
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('connection', (socket) => socket.setNoDelay(true));
}
