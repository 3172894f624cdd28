import type { Query } from './query.ts';

/** A request as handlers see it; nothing of the HTTP library shows. */
export interface GatewayRequest {
  readonly method: string;
  /** Path parameters by name, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** In lower case; a header that came several times is joined. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The media type in lower case, without parameters; undefined when none was sent. */
  readonly mediaType: string | undefined;
  /** The whole body, for routes that take it so; else empty. */
  readonly body: Buffer;
  /** The body as it comes, for routes and media types that take it so. */
  readonly upload: Upload | undefined;
  /** W3C traceparent for what is done for this request; undefined without a trace. */
  readonly traceparent: string | undefined;
  /** Aborts when the client goes away before it was answered. Made when first asked for. */
  readonly signal: AbortSignal;
}

/** A body in pieces. */
export interface Upload {
  /** Begins; called once. */
  start(handlers: UploadHandlers): void;
  /** Takes nothing more from the socket until `resume`. */
  pause(): void;
  resume(): void;
}

/** What an upload tells its owner. Nothing is called after `end` or `failed`. */
export interface UploadHandlers {
  chunk(bytes: Buffer): void;
  end(): void;
  /** The body broke off, or was too slow. */
  failed(why: string): void;
}

/** An answer. */
export type GatewayReply =
  | {
      readonly kind: 'whole';
      readonly status: number;
      readonly type: string;
      /** Text, or the bytes of one. */
      readonly body: string | Buffer;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'empty'; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly kind: 'stream';
      readonly status: number;
      readonly type: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Called once the head was sent. */
      start(sink: ReplySink): StreamReader;
    };

/** Where a streamed answer goes. Nothing happens once it is closed. */
export interface ReplySink {
  /** False: the client is slower than we are; hold back until `drained`. */
  write(text: string | Buffer): boolean;
  end(): void;
  /** Written but not yet taken by the client. */
  readonly pendingBytes: number;
}

/** What a sink tells who writes into it. */
export interface StreamReader {
  drained(): void;
  /** The client went away, or all was sent. Called once. */
  closed(): void;
  /** The gateway is going to stop, and still serves: end if the client loses nothing by going on elsewhere. */
  draining(): void;
  /** The gateway stops: say goodbye and end. */
  stopping(): void;
}

const NO_HEADERS = {};

/** An answer of which the body is JSON text already. */
export function rawJsonReply(
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = NO_HEADERS,
): GatewayReply {
  return { kind: 'whole', status, type: 'application/json; charset=utf-8', body, headers };
}

/** An answer of which the body is a value. */
export function jsonReply(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = NO_HEADERS,
): GatewayReply {
  return rawJsonReply(status, `${JSON.stringify(body)}\n`, headers);
}

/** An answer of text in another form. */
export function textReply(status: number, type: string, body: string | Buffer): GatewayReply {
  return { kind: 'whole', status, type, body, headers: NO_HEADERS };
}

/** An answer without a body. */
export function emptyReply(status: number): GatewayReply {
  return { kind: 'empty', status, headers: NO_HEADERS };
}
