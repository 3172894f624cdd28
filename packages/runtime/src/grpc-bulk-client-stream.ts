import { constants } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Metadata, Method, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { BulkMessages } from './grpc-bulk-messages.ts';
import { failureFrom, statusFrom } from './grpc-failure.ts';
import type { GrpcStatus } from './grpc-failure.ts';
import type { Http2Link } from './http2-link.ts';

/** What a bulk stream is begun with. */
export interface BulkCall<Request, Response> {
  readonly method: Method<Request, Response>;
  readonly slabs: Slabs;
  readonly handlers: StreamHandlers<Response>;
  readonly metadata: Metadata;
}

/** The client's side of a gRPC stream in both directions whose payload lies in slabs. */
export class ClientBulkStream<Request, Response> implements Stream<Request> {
  readonly #link: Http2Link;
  readonly #stream: ClientHttp2Stream;
  readonly #messages: BulkMessages;
  /** What the server says that it ended with. */
  #status: GrpcStatus | undefined;

  /** @param over - nothing is left of it on the connection */
  constructor(link: Http2Link, { method, slabs, handlers, metadata }: BulkCall<Request, Response>, over: () => void) {
    // Sent, like all that follows, when there is a connection.
    const stream = link.session.request({
      ...metadata,
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: method.path,
      [constants.HTTP2_HEADER_TE]: 'trailers',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc+proto',
    });
    this.#link = link;
    this.#stream = stream;
    this.#messages = new BulkMessages({
      stream,
      slabs,
      memory: link.memory,
      incoming: method.response,
      outgoing: method.request,
      faulted: ({ status, message }) => this.#fail(failureFrom({ code: status, details: message })),
    });
    this.#messages.begin(handlers);
    // What is wrong is told by `close`, which always follows.
    stream.on('error', () => {});
    stream.once('response', (headers) => this.#answered(headers));
    stream.once('trailers', (headers) => (this.#status = statusFrom(headers)));
    // The trailers, if there are any, are known a moment later.
    stream.once('end', () => setImmediate(() => this.#ended()));
    stream.once('close', () => {
      this.#closed();
      over();
    });
  }

  send(message: Request): boolean {
    return this.#messages.send(message);
  }

  end(): void {
    this.#messages.end(() => this.#stream.end());
  }

  /** Of the reason the server learns nothing: gRPC has no place for it. */
  abort(): void {
    this.#messages.leave();
    this.#cancel();
  }

  /** Gives its connection up. */
  cut(failure: TransportFailure): void {
    this.#messages.close(failure);
    this.#link.cut();
  }

  #answered(headers: IncomingHttpHeaders): void {
    this.#status = statusFrom(headers);
    const httpStatus = headers[constants.HTTP2_HEADER_STATUS];
    if (this.#status === undefined && Number(httpStatus) !== constants.HTTP_STATUS_OK) {
      const code = Number(httpStatus) === constants.HTTP_STATUS_NOT_FOUND ? Status.UNIMPLEMENTED : Status.UNKNOWN;
      this.#fail(failureFrom({ code, details: `HTTP status ${httpStatus}` }));
      return;
    }
    const encoding = headers['grpc-encoding'];
    this.#messages.read(typeof encoding === 'string' ? encoding : undefined);
  }

  /** The server has nothing more to say. */
  #ended(): void {
    this.#status ??= { code: Status.UNKNOWN, details: 'the stream ended without a status' };
    this.#messages.close(this.#outcome());
    // What has not been sent by now nobody waits for.
    if (!this.#stream.writableFinished) this.#cancel();
  }

  #closed(): void {
    this.#messages.close(this.#outcome());
    this.#messages.over();
  }

  #outcome(): TransportFailure | undefined {
    if (this.#status === undefined) return this.#link.failureOf(this.#stream.rstCode);
    if (this.#status.code !== Status.OK) return failureFrom(this.#status);
    if (this.#stream.readableEnded && !this.#messages.isWithinMessage) return undefined;
    return failureFrom({ code: Status.INTERNAL, details: 'the stream ended within a message' });
  }

  #fail(failure: TransportFailure): void {
    this.#messages.close(failure);
    this.#cancel();
  }

  #cancel(): void {
    this.#messages.drop();
    const stream = this.#stream;
    stream.close(constants.NGHTTP2_CANCEL);
    // One that waits for a connection has nothing to tell it.
    if (stream.pending) stream.destroy();
  }
}
