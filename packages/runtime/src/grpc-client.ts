import { Client, connectivityState, credentials } from '@grpc/grpc-js';
import type { ChannelOptions, ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import * as limits from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Codec, Connection, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { BulkClient } from './grpc-bulk-client.ts';
import { failureFrom, toGrpcMetadata } from './grpc-failure.ts';

/** What every connection that we make has in common, whoever the other side is. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': limits.GRPC_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': limits.GRPC_MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': limits.KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': limits.KEEPALIVE_TIMEOUT_MS,
  'grpc.initial_reconnect_backoff_ms': limits.RECONNECT_MS_MIN,
  'grpc.min_reconnect_backoff_ms': limits.RECONNECT_MS_MIN,
  'grpc.max_reconnect_backoff_ms': limits.RECONNECT_MS_MAX,
  // A pod comes back under its name with another address: the name is looked up as often as a connection is tried.
  'grpc.dns_min_time_between_resolutions_ms': limits.RECONNECT_MS_MAX,
  // What was sent may have been done: whether to try again is for the caller to know.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // A connection of one's own: a bulk stream never shares a window with another client's heartbeats.
  'grpc.use_local_subchannel_pool': 1,
  'grpc-node.flow_control_window': limits.GRPC_WINDOW_BYTES,
  'grpc-node.max_session_memory': limits.GRPC_SESSION_MEMORY_MIB,
  'grpc.enable_channelz': 0,
};

/** Only to our own servers: others may close a connection that asks while nothing is under way. */
const OWN_CHANNEL_OPTIONS: ChannelOptions = { ...CHANNEL_OPTIONS, 'grpc.keepalive_permit_without_calls': 1 };

interface CallUnderWay {
  /** There was no connection since it was begun: it has not been sent. */
  waits: boolean;
  /** Ends it, as the connection is given up. */
  readonly cut: () => void;
}

/** A connection to host:port; it is made when first used. */
export function connect(address: string): Connection {
  const client = new Client(address, credentials.createInsecure(), OWN_CHANNEL_OPTIONS);
  const bulk = new BulkClient(address);
  const calls = new Set<CallUnderWay>();
  let isOver = false;
  let isWatched = false;
  const isReady = (): boolean => client.getChannel().getConnectivityState(false) === connectivityState.READY;
  /** Until there is a connection: calls that have waited for it are sent then. Nothing may ask for one once it is closed. */
  const watch = (): void => {
    isWatched = true;
    const channel = client.getChannel();
    channel.watchConnectivityState(channel.getConnectivityState(false), Infinity, () => {
      isWatched = false;
      if (isOver) return;
      if (!isReady()) return watch();
      for (const call of calls) call.waits = false;
    });
  };
  return {
    call: (method, request, options) =>
      new Promise((resolve, reject) => {
        const end = (failure: TransportFailure): void => {
          over();
          reject(new TransportError(failure));
          call.cancel();
        };
        const one: CallUnderWay = { waits: !isReady(), cut: () => end(one.waits && !isReady() ? GIVEN_UP : CUT) };
        const over = (): void => {
          calls.delete(one);
          clearTimeout(timer);
        };
        const { deadlineMs, connectMs } = options;
        const unconnected = (): void => {
          if (one.waits) end(noConnection(address, connectMs!));
        };
        const timer = connectMs !== undefined && one.waits ? setTimeout(unconnected, connectMs) : undefined;
        const call = client.makeUnaryRequest(
          method.path,
          serializer(method.request),
          method.response.decode,
          request,
          toGrpcMetadata(options.metadata),
          { deadline: Date.now() + deadlineMs },
          (error: ServiceError | null, response) => {
            over();
            if (error === null) resolve(response!);
            else reject(new TransportError(failureFrom(error)));
          },
        );
        calls.add(one);
        if (one.waits && !isWatched && !isOver) watch();
      }),
    open(method, handlers, metadata) {
      const call = client.makeBidiStreamRequest(
        method.path,
        serializer(method.request),
        method.response.decode,
        toGrpcMetadata(metadata),
      );
      return streamOf(call, handlers);
    },
    openBulk: (method, slabs, handlers, metadata = {}) => bulk.open({ method, slabs, handlers, metadata }),
    close() {
      isOver = true;
      client.close();
      bulk.close();
    },
    cut() {
      isOver = true;
      for (const call of calls) call.cut();
      client.close();
      bulk.cut(CUT);
    },
  };
}

function noConnection(address: string, withinMs: number): TransportFailure {
  const message = `no connection to ${address} within ${withinMs} ms`;
  return { kind: 'unreachable', code: 'NETWORK_EXCEPTION', message };
}

const CUT: TransportFailure = {
  kind: 'broken',
  code: 'NETWORK_EXCEPTION',
  message: 'nothing came back on the connection, and it was given up',
};

const GIVEN_UP: TransportFailure = {
  kind: 'unreachable',
  code: 'NETWORK_EXCEPTION',
  message: 'there is no connection, and it was given up',
};

function streamOf<Request, Response>(
  call: ClientDuplexStream<Request, Response>,
  handlers: StreamHandlers<Response>,
): Stream<Request> {
  let open = true;
  const close = (failure: Parameters<typeof handlers.closed>[0]): void => {
    if (!open) return;
    open = false;
    handlers.closed(failure);
  };
  call.on('data', (message: Response) => {
    if (open) handlers.message(message);
  });
  call.on('drain', () => {
    if (open) handlers.drained();
  });
  call.on('error', (error: ServiceError) => close(failureFrom(error)));
  call.on('end', () => close(undefined));
  return {
    send: (message) => open && call.write(message),
    end: () => void call.end(),
    abort() {
      open = false;
      call.cancel();
    },
  };
}

/** grpc-js wants a Buffer; a view of the same memory costs nothing. */
export function serializer<T>(codec: Pick<Codec<T>, 'encode'>): (message: T) => Buffer {
  return (message) => {
    const bytes = codec.encode(message);
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
