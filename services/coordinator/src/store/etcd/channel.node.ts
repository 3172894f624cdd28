import { readFileSync } from 'node:fs';
import { create, fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ChannelCredentials, ServiceError } from '@grpc/grpc-js';
import { messageOf } from '@weir/base/errors.ts';
import { ETCD_CALL_MS } from '@weir/base/limits.ts';
import { CHANNEL_OPTIONS, serializer } from '@weir/runtime/grpc-client.ts';
import { protobufCodec } from '@weir/runtime/protobuf.ts';
import type { EtcdAccess, EtcdEndpoint } from './endpoints.ts';
import { EtcdError, failureOf } from './failure.ts';
import type { EtcdFailure } from './failure.ts';

/** A method of etcd's API with its messages. */
export type EtcdMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/** What a stream of etcd tells its owner; nothing after `closed`. */
export interface EtcdStreamHandlers<Response> {
  message(response: Response): void;
  closed(failure: EtcdFailure): void;
}

/** A stream of etcd, from this side. */
export interface EtcdStream<Request> {
  send(request: Request): void;
  /** Ends it without another word. */
  close(): void;
}

/** The connection to one member; it is made when first used, and again after it broke. */
export class EtcdChannel {
  readonly endpoint: EtcdEndpoint;
  readonly #client: Client;

  constructor(endpoint: EtcdEndpoint, security: ChannelCredentials) {
    this.endpoint = endpoint;
    // Of its keepalive: etcd closes connections that ask more often than every five seconds.
    this.#client = new Client(endpoint.address, security, CHANNEL_OPTIONS);
  }

  /**
   * One request, one answer, within ETCD_CALL_MS.
   *
   * @throws EtcdError
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    request: MessageInitShape<I>,
    token: string | undefined,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(protobufCodec(method.input)),
        deserializer(method.output),
        create(method.input, request),
        metadataWith(token),
        { deadline: deadline() },
        (error: ServiceError | null, response) => {
          if (error === null) resolve(response!);
          else reject(new EtcdError(failureOf(error)));
        },
      );
    });
  }

  /**
   * The same of a method that has a stream each way.
   *
   * @throws EtcdError
   */
  callOnStream<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    request: MessageInitShape<I>,
    { token, deadlineMs }: { readonly token: string | undefined; readonly deadlineMs: number },
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const handlers: EtcdStreamHandlers<MessageShape<O>> = {
        message(response) {
          resolve(response);
          stream.close();
        },
        closed: (failure) => reject(new EtcdError(failure)),
      };
      const stream = this.#stream(method, handlers, { token, deadline: deadline(deadlineMs) });
      stream.send(create(method.input, request));
    });
  }

  /** A stream that stays open. */
  open<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    handlers: EtcdStreamHandlers<MessageShape<O>>,
    token: string | undefined,
  ): EtcdStream<MessageShape<I>> {
    return this.#stream(method, handlers, { token });
  }

  close(): void {
    this.#client.close();
  }

  #stream<I extends DescMessage, O extends DescMessage>(
    method: EtcdMethod<I, O>,
    handlers: EtcdStreamHandlers<MessageShape<O>>,
    { token, ...options }: { readonly token: string | undefined; readonly deadline?: number },
  ): EtcdStream<MessageShape<I>> {
    const call = this.#client.makeBidiStreamRequest(
      pathOf(method),
      serializer(protobufCodec(method.input)),
      deserializer(method.output),
      metadataWith(token),
      options,
    );
    let open = true;
    const closed = (failure: EtcdFailure): void => {
      if (!open) return;
      open = false;
      handlers.closed(failure);
    };
    call.on('data', (response: MessageShape<O>) => {
      if (open) handlers.message(response);
    });
    call.on('error', (error: ServiceError) => closed(failureOf(error)));
    call.on('end', () => closed({ kind: 'unknown', message: 'etcd has ended the stream' }));
    return {
      send(request) {
        if (open) call.write(request);
      },
      close() {
        open = false;
        call.cancel();
      },
    };
  }
}

/**
 * TLS as the options say.
 *
 * @throws Error that names the file that cannot be read or used
 */
export function securityOf({ endpoints, caFile, certificateFile, keyFile }: EtcdAccess): ChannelCredentials {
  if (!endpoints.some(({ isTls }) => isTls)) return credentials.createInsecure();
  const [ca, key, certificate] = [caFile, keyFile, certificateFile].map((path) =>
    path === undefined ? null : readFile(path),
  ) as [Buffer | null, Buffer | null, Buffer | null];
  try {
    return credentials.createSsl(ca, key, certificate);
  } catch (error) {
    const files = [caFile, certificateFile, keyFile].filter((path) => path !== undefined).join(', ');
    throw new Error(`etcd cannot be reached with ${files}: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws Error that names the file */
export function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function deadline(ms: number = ETCD_CALL_MS): number {
  return Date.now() + ms;
}

function metadataWith(token: string | undefined): Metadata {
  const metadata = new Metadata();
  // A member that has lost the others says so at once, instead of being silent.
  metadata.set('hasleader', 'true');
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Without protobufCodec's bound on fields: a fragment of a watch may have more, and etcd is trusted. */
function deserializer<Desc extends DescMessage>(schema: Desc): (bytes: Buffer) => MessageShape<Desc> {
  return (bytes) => fromBinary(schema, bytes, { readUnknownFields: false });
}
