import type { GatewayContext } from './context.ts';
import type { GatewayReply, GatewayRequest } from './http/exchange.ts';
import type { Schema } from './openapi/schema-parts.ts';

/** A route: what answers it, and all that the OpenAPI document says of it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With parameters in braces, as "/v1/topics/{topic}"; a last one "{+path}" takes all that is left, not decoded. */
  readonly path: string;
  /** How a body of some media type is taken. Routes without it take none. */
  readonly body?: (mediaType: string | undefined) => 'whole' | 'streamed';
  readonly operation: Operation;
  handle(context: GatewayContext, request: GatewayRequest): GatewayReply | Promise<GatewayReply>;
}

/** A route for people and generators. */
export interface Operation {
  readonly id: string;
  readonly tag: 'records' | 'topics' | 'groups' | 'tree' | 'v2' | 'consumers' | 'operation';
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  /** The body's schema by media type. */
  readonly request?: Readonly<Record<string, Schema>>;
  /** Whether it means something without a body. */
  readonly bodyMayBeAbsent?: true;
  /** By status. Errors are the same everywhere and left out. */
  readonly responses: Readonly<Record<number, Response>>;
}

/** A parameter that may be given, or has to be. */
export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly schema: Schema;
  readonly from?: 'query' | 'header';
  /** Without it the request is refused. */
  readonly required?: true;
}

interface Response {
  readonly description: string;
  /** Schema by media type; left out when there is no body. */
  readonly content?: Readonly<Record<string, Schema>>;
  readonly headers?: Readonly<Record<string, ResponseHeader>>;
  /** What of the answer names what it is about, for the operations that go on with that. */
  readonly links?: readonly Link[];
}

/** A header of an answer. */
export interface ResponseHeader {
  readonly description: string;
  readonly schema: Schema;
  /** Whether it is always there. */
  readonly required?: true;
}

/** The operations that go on with what an answer names. */
export interface Link {
  readonly operations: readonly string[];
  /** Parameters of theirs, as runtime expressions of OpenAPI. */
  readonly parameters: Readonly<Record<string, string>>;
}
