import type { Api, RequestOf, RequestToSend, ResponseOf, ResponseToSend } from './api.ts';
import {
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

/** Writes the length in front of what `write` does, and hands out the frame in parts. */
function frame(write: (to: WireWriter) => void): Uint8Array[] {
  writer.reset();
  writer.int32(0);
  write(writer);
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
  return frame((to) => {
    writeResponseHeader(to, api, version, correlationId);
    api.responses(version).write(to, response);
  });
}

/** A request as a client sends it. */
export function requestFrame<A extends Api>(
  api: A,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  request: RequestToSend<A>,
): Uint8Array[] {
  return frame((to) => {
    writeRequestHeader(to, api, { apiVersion: version, correlationId: header.correlationId }, header.clientId);
    api.requests(version).write(to, request);
  });
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
  const from = new WireReader(bytes);
  const { apiVersion, correlationId } = readRequestHead(from);
  const clientId = readClientId(from, api, apiVersion);
  const request = api.requests(apiVersion).read(from) as RequestOf<A>;
  return { correlationId, clientId, request };
}
