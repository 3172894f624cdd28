import type { Api, RequestOf, ResponseToSend } from '@weir/kafka/api.ts';

/** Who sent a request, and how they came. */
export interface Caller {
  /** What the client calls itself; empty when it does not say. */
  readonly clientId: string;
  /** The listener's name: clients are told the addresses that belong to it. */
  readonly listener: string;
  /** For people. */
  readonly peer: string;
}

/** One request, to be answered once. */
export interface Exchange<A extends Api = Api> {
  readonly api: A;
  readonly version: number;
  readonly request: RequestOf<A>;
  readonly caller: Caller;
  /**
   * Answers. Payload in the response is retained from here until it is sent: whoever answers may release it as soon as
   * this has returned.
   */
  answer(response: ResponseToSend<A>): void;
  /** There is no answer to this one (acks=0). */
  finish(): void;
  /** What happened cannot be told by an answer: the connection ends. */
  hangUp(why: string): void;
  /** Called when the connection ends before the answer. */
  onGone: () => void;
}

/** Answers the requests of one API. A rejection is our bug: it is logged, and the connection ends. */
export type Handle<A extends Api> = (exchange: Exchange<A>) => void | Promise<void>;

/** An API with what answers it. */
export interface Handler {
  readonly api: Api;
  readonly handle: Handle<any>;
  /**
   * Its requests are decided upon at once and answered later, so that the next ones of the same API need not wait for
   * the answer. All others go one after the other, as Kafka has them.
   */
  readonly pipelined: boolean;
  /** Whether a request may be begun now; false holds its connection back until `KafkaServer.resume`. */
  readonly admits: () => boolean;
}

const ALWAYS = (): boolean => true;

/** A handler whose requests go one after the other, with its types checked. */
export function on<A extends Api>(api: A, handle: Handle<A>): Handler {
  return { api, handle, pipelined: false, admits: ALWAYS };
}

/** A handler whose requests overlap. What its requests are made of is good until it returns. */
export function onPipelined<A extends Api>(api: A, handle: Handle<A>, admits: () => boolean): Handler {
  return { api, handle, pipelined: true, admits };
}
