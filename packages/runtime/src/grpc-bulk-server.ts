import { constants } from 'node:http2';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Handler } from '@weir/base/transport.ts';
import { serveBulkStream } from './grpc-bulk-server-stream.ts';
import type { BulkHandler } from './grpc-bulk-server-stream.ts';
import { SessionMemory } from './http2-session-memory.ts';

type StreamListener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => void;

/**
 * Answers a server's bulk streams on node:http2 itself, which takes a third of grpc-js's CPU time and none of its
 * memory for each message; on the wire it is gRPC as every client speaks it. All other paths stay with grpc-js.
 */
export function takeBulkStreams(server: Http2Server, handlers: readonly Handler[]): void {
  const bulk = new Map<string, BulkHandler>();
  for (const handler of handlers) {
    if (isBulk(handler)) bulk.set(handler.method.path, handler);
  }
  if (bulk.size === 0) return;
  const memories = new WeakMap<ServerHttp2Session, SessionMemory>();
  const others = server.listeners('stream') as StreamListener[];
  server.removeAllListeners('stream');
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => {
    const handler = bulk.get(String(headers[constants.HTTP2_HEADER_PATH]));
    if (handler === undefined) {
      for (const other of others) other.call(server, stream, headers, ...rest);
      return;
    }
    if (!isGrpc(headers)) {
      stream.on('error', () => {});
      const status = constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE;
      stream.respond({ [constants.HTTP2_HEADER_STATUS]: status }, { endStream: true });
      return;
    }
    const { session } = stream;
    if (session === undefined) return;
    let memory = memories.get(session as ServerHttp2Session);
    if (memory === undefined) {
      memory = new SessionMemory(session);
      memories.set(session as ServerHttp2Session, memory);
    }
    serveBulkStream(stream, headers, handler, memory);
  });
}

function isBulk(handler: Handler): handler is BulkHandler {
  return handler.kind === 'stream' && handler.slabs !== undefined;
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  const type = String(headers[constants.HTTP2_HEADER_CONTENT_TYPE]);
  return headers[constants.HTTP2_HEADER_METHOD] === 'POST' && type.startsWith('application/grpc');
}
