import type { Api, RequestOf, RequestToSend, ResponseOf, ResponseToSend } from './api.ts';
import {
  REQUEST_HEAD_BYTES,
  readClientId,
  readRequestHead,
  readResponseHeader,
  writeRequestHeader,
  writeResponseHeader,
} from './header.ts';
import { WireError, WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** What a frame has in front: how many bytes follow. */
export const FRAME_LENGTH_BYTES = 4;

// One for all: a message is written from its first byte to its last without a pause.
const writer = new WireWriter();

/** Begins a frame; its length is written last. */
function begin(): void {
  writer.reset();
  writer.int32(0);
}

/** The frame in parts. */
function end(): Uint8Array[] {
  writer.patchInt32(0, writer.bytes - FRAME_LENGTH_BYTES);
  return writer.finish();
}

/** A response as it goes into the socket; the payload in it is not copied. */
export function responseFrame<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  response: ResponseToSend<A>,
): Uint8Array[] {
  begin();
  writeResponseHeader(writer, api, version, correlationId);
  api.responses(version).write(writer, response);
  return end();
}

/** A request as a client sends it. */
export function requestFrame<A extends Api>(
  api: A,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  request: RequestToSend<A>,
): Uint8Array[] {
  begin();
  writeRequestHeader(writer, api, { apiVersion: version, correlationId: header.correlationId }, header.clientId);
  api.requests(version).write(writer, request);
  return end();
}

/**
 * A response's contents, of a frame without its length.
 *
 * @throws WireError
 */
export function readResponse<A extends Api>(
  api: A,
  version: number,
  bytes: Buffer,
): { readonly correlationId: number; readonly response: ResponseOf<A> } {
  const from = new WireReader(bytes);
  const correlationId = readResponseHeader(from, api, version);
  const response = api.responses(version).read(from) as ResponseOf<A>;
  if (from.left > 0) throw new WireError(`${from.left} bytes follow a response of ${api.name} v${version}`);
  return { correlationId, response };
}

/**
 * A request's contents, of a frame without its length, whose API and version are known to be served. Bytes that follow
 * them are passed over, as Kafka does: librdkafka sends some behind its newer Metadata requests.
 *
 * @throws WireError
 */
export function readRequest<A extends Api>(
  api: A,
  bytes: Buffer,
): { readonly correlationId: number; readonly clientId: string | null; readonly request: RequestOf<A> } {
  const { apiVersion, correlationId } = readRequestHead(new WireReader(bytes));
  return { correlationId, ...readRequestBody(api, apiVersion, bytes) };
}

/**
 * The same behind the header's first part, which has told the version. @throws WireError
 */
export function readRequestBody<A extends Api>(
  api: A,
  version: number,
  bytes: Buffer,
): { readonly clientId: string | null; readonly request: RequestOf<A> } {
  const from = new WireReader(bytes, REQUEST_HEAD_BYTES);
  const clientId = readClientId(from, api, version);
  return { clientId, request: api.requests(version).read(from) as RequestOf<A> };
}
