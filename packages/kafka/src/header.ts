import type { Api } from './api.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** What every request begins with, the fields that are the same in all versions of the header. */
export interface RequestHead {
  readonly apiKey: number;
  readonly apiVersion: number;
  /** The response carries it back. */
  readonly correlationId: number;
}

/** How many bytes the first part of a request's header takes. */
export const REQUEST_HEAD_BYTES = 8;

/** The key of ApiVersions, whose response never has tagged fields in its header: clients do not know ours yet. */
const API_VERSIONS_KEY = 18;

/**
 * The header's first part, which can be read without knowing the API.
 *
 * @throws WireError
 */
export function readRequestHead(from: WireReader): RequestHead {
  return { apiKey: from.int16(), apiVersion: from.int16(), correlationId: from.int32() };
}

/**
 * The header's rest, of an API and version that are served; tells the client's id.
 *
 * @throws WireError
 */
export function readClientId(from: WireReader, api: Api, version: number): string | null {
  const length = from.int16();
  const clientId = length < 0 ? null : from.text(length);
  if (!api.isFlexible(version)) return clientId;
  for (let tags = from.uvarint(); tags > 0; tags--) {
    from.uvarint();
    from.skip(from.uvarint());
  }
  return clientId;
}

/** Writes a request's header; tests and clients need it. */
export function writeRequestHeader(
  to: WireWriter,
  api: Api,
  { apiVersion, correlationId }: Omit<RequestHead, 'apiKey'>,
  clientId: string | null,
): void {
  to.int16(api.key);
  to.int16(apiVersion);
  to.int32(correlationId);
  const bytes = clientId === null ? -1 : Buffer.byteLength(clientId);
  to.int16(bytes);
  if (clientId !== null) to.text(clientId, bytes);
  if (api.isFlexible(apiVersion)) to.uvarint(0);
}

/** Writes what a response begins with. */
export function writeResponseHeader(to: WireWriter, api: Api, version: number, correlationId: number): void {
  to.int32(correlationId);
  if (api.isFlexible(version) && api.key !== API_VERSIONS_KEY) to.uvarint(0);
}

/** Reads it; tells the correlation id. @throws WireError */
export function readResponseHeader(from: WireReader, api: Api, version: number): number {
  const correlationId = from.int32();
  if (api.isFlexible(version) && api.key !== API_VERSIONS_KEY) {
    for (let tags = from.uvarint(); tags > 0; tags--) {
      from.uvarint();
      from.skip(from.uvarint());
    }
  }
  return correlationId;
}
