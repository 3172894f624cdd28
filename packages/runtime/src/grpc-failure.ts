import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { Metadata as GrpcMetadata, status as Status } from '@grpc/grpc-js';
import { isErrorCode, messageOf, WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import type { Metadata, TransportFailure } from '@weir/base/transport.ts';

/** The trailer in which our own code travels; gRPC's sixteen are too few. */
const CODE_KEY = 'weir-code';

/** What a call ends with on the wire. */
export interface GrpcStatus {
  readonly code: Status;
  readonly details: string;
  readonly metadata?: GrpcMetadata;
}

/** What a caller learns from the status that a call ended with. */
export function failureFrom(status: GrpcStatus): TransportFailure {
  const code = status.metadata?.get(CODE_KEY)[0];
  if (typeof code === 'string' && isErrorCode(code)) return { kind: 'refused', code, message: status.details };
  switch (status.code) {
    case Status.DEADLINE_EXCEEDED:
      return { kind: 'deadline', code: 'REQUEST_TIMED_OUT', message: status.details };
    case Status.UNIMPLEMENTED:
      return {
        kind: 'refused',
        code: 'INVALID_REQUEST',
        message: `the other side is another version: ${status.details}`,
      };
    case Status.RESOURCE_EXHAUSTED:
      return { kind: 'refused', code: 'MESSAGE_TOO_LARGE', message: status.details };
    default: {
      // grpc-js says so when no connection came about: then nothing of the call was sent; or when the server is stopping and has refused
      // the stream, of which nothing was done then (RFC 9113, 8.7).
      const unreachable =
        /No connection established|ECONNREFUSED|ENOTFOUND|Name resolution failed|Stream refused by server|Channel closed before/.test(
          status.details,
        );
      const message = withoutNoise(status.details);
      if (!unreachable) return { kind: 'broken', code: 'NETWORK_EXCEPTION', message };
      const nobodyListens = status.details.includes('ECONNREFUSED');
      return { kind: 'unreachable', code: 'NETWORK_EXCEPTION', message, nobodyListens };
    }
  }
}

/** What grpc-js says of a connection that did not come about, less what means nothing to a reader. */
function withoutNoise(details: string): string {
  const cause = /^No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note:/.exec(details)?.[1];
  return cause === undefined ? details : `no connection: ${cause}`;
}

/** The status with which a server ends a call that failed. */
export function statusFor(failure: { code: ErrorCode; message: string }): GrpcStatus & { metadata: GrpcMetadata } {
  const metadata = new GrpcMetadata();
  metadata.set(CODE_KEY, failure.code);
  return { code: Status.ABORTED, details: failure.message, metadata };
}

/** The same for whatever a handler threw. */
export function statusForThrown(error: unknown): GrpcStatus & { metadata: GrpcMetadata } {
  return statusFor({
    code: error instanceof WeirError ? error.code : 'UNKNOWN_SERVER_ERROR',
    message: messageOf(error),
  });
}

/** As gRPC's trailers; the message percent-encoded, as grpc-js does it. */
export function trailersFor({ code, details, metadata }: GrpcStatus): OutgoingHttpHeaders {
  return { 'grpc-status': code, 'grpc-message': encodeURI(details.toWellFormed()), ...metadata?.toHttp2Headers() };
}

/** The status in trailers, or in the headers of an answer that has nothing else; undefined when they have none. */
export function statusFrom(headers: IncomingHttpHeaders): GrpcStatus | undefined {
  const code = headers['grpc-status'];
  if (code === undefined) return undefined;
  const details = percentDecoded(String(headers['grpc-message'] ?? ''));
  const metadata = GrpcMetadata.fromHttp2Headers(headers);
  return { code: STATUSES.get(String(code)) ?? Status.UNKNOWN, details, metadata };
}

/** By their number as it is on the wire. */
const STATUSES: ReadonlyMap<string, Status> = new Map(
  Object.values(Status).flatMap((status) => (typeof status === 'number' ? [[String(status), status]] : [])),
);

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Whoever did not encode it meant what it says.
    return text;
  }
}

/** Our metadata as grpc-js wants it. */
export function toGrpcMetadata(metadata: Metadata | undefined): GrpcMetadata {
  const out = new GrpcMetadata();
  for (const [name, value] of Object.entries(metadata ?? {})) out.set(name, value);
  return out;
}

/** The text values among what grpc-js received. */
export function fromGrpcMetadata(metadata: GrpcMetadata): Metadata {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === 'string') out[name] = value;
  }
  return out;
}
