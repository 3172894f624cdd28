import type { Caller, Exchange, Handler } from './exchange.ts';

/** What a request does to the connection that it came by. */
export interface RequestOwner {
  /** Writes its answer. */
  answer(request: Request, response: unknown): void;
  /** It has its answer, or none is to be sent. */
  ready(): void;
  hangUp(why: string): void;
}

/** One request of a connection, from its arrival to its answer. */
export class Request implements Exchange {
  readonly handler: Handler;
  readonly version: number;
  readonly correlationId: number;
  /** Of its frame. */
  readonly bytes: number;
  readonly sinceMs: number;
  readonly #owner: RequestOwner;
  /** Before it is begun. */
  frame: Buffer | undefined;
  /** The answer as it is to be sent, once there is one; empty where there is none to be sent. */
  sent: readonly Uint8Array[] | undefined;
  onGone = NOTHING;
  #contents: unknown;
  #caller: Caller | undefined;

  constructor(
    owner: RequestOwner,
    about: Pick<Request, 'handler' | 'version' | 'correlationId' | 'bytes' | 'sinceMs' | 'frame' | 'sent'>,
  ) {
    this.#owner = owner;
    this.handler = about.handler;
    this.version = about.version;
    this.correlationId = about.correlationId;
    this.bytes = about.bytes;
    this.sinceMs = about.sinceMs;
    this.frame = about.frame;
    this.sent = about.sent;
  }

  /** Its frame was read. */
  begun(contents: unknown, caller: Caller): void {
    this.#contents = contents;
    this.#caller = caller;
  }

  get api(): Handler['api'] {
    return this.handler.api;
  }

  get request(): any {
    return this.#contents;
  }

  get caller(): Caller {
    return this.#caller!;
  }

  answer(response: unknown): void {
    if (this.sent === undefined) this.#owner.answer(this, response);
  }

  finish(): void {
    if (this.sent !== undefined) return;
    this.sent = [];
    this.#owner.ready();
  }

  hangUp(why: string): void {
    this.#owner.hangUp(why);
  }
}

const NOTHING = (): void => {};
