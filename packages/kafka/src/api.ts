import { violated } from '@weir/base/assert.ts';
import type { WireType } from './schema.ts';
import type { WireCodec } from './struct-codec.ts';

/** One of the protocol's calls, as its file in apis/ describes it. */
export interface ApiSpec<Request, RequestWrite, Response, ResponseWrite> {
  /** The number that requests name it by. */
  readonly key: number;
  readonly name: string;
  /** First and last version that are served. */
  readonly versions: readonly [number, number];
  /** The first version with compact lengths and tagged fields; Infinity when there is none. */
  readonly flexibleFrom: number;
  readonly request: WireType<Request, RequestWrite>;
  readonly response: WireType<Response, ResponseWrite>;
}

/** A call with the codecs of all its versions, both directions. */
export class Api<Request = any, RequestWrite = any, Response = any, ResponseWrite = any> {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [number, number];
  readonly spec: ApiSpec<Request, RequestWrite, Response, ResponseWrite>;
  readonly #requests: (WireCodec<Request, RequestWrite> | undefined)[] = [];
  readonly #responses: (WireCodec<Response, ResponseWrite> | undefined)[] = [];

  constructor(spec: ApiSpec<Request, RequestWrite, Response, ResponseWrite>) {
    this.key = spec.key;
    this.name = spec.name;
    this.versions = spec.versions;
    this.spec = spec;
  }

  has(version: number): boolean {
    return version >= this.versions[0] && version <= this.versions[1];
  }

  isFlexible(version: number): boolean {
    return version >= this.spec.flexibleFrom;
  }

  /** How requests of a served version are read and written. */
  requests(version: number): WireCodec<Request, RequestWrite> {
    if (!this.has(version)) violated(`${this.name} has no version ${version}`);
    return (this.#requests[version] ??= this.spec.request.at(version, this.isFlexible(version)));
  }

  /** How responses of a served version are read and written. */
  responses(version: number): WireCodec<Response, ResponseWrite> {
    if (!this.has(version)) violated(`${this.name} has no version ${version}`);
    return (this.#responses[version] ??= this.spec.response.at(version, this.isFlexible(version)));
  }
}

/** What is read of an API's requests. */
export type RequestOf<A> = A extends Api<infer Request, any, any, any> ? Request : never;
/** What may be given to be written as an API's request. */
export type RequestToSend<A> = A extends Api<any, infer RequestWrite, any, any> ? RequestWrite : never;
/** What is read of an API's responses. */
export type ResponseOf<A> = A extends Api<any, any, infer Response, any> ? Response : never;
/** What may be given to be written as an API's response. */
export type ResponseToSend<A> = A extends Api<any, any, any, infer ResponseWrite> ? ResponseWrite : never;
