import { sleep } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { CALL_DEADLINE_MS, METADATA_WAIT_MS, RECONNECT_MS_MIN, SESSION_OFFER_MS } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Method, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { Connections } from './connections.ts';
import type { OpenedStream } from './connections.ts';
import type { ClientWorld } from './world.ts';

/** Refusals of a coordinator that is not the active one, or not any more: nothing was done. */
const NOT_ACTIVE: ReadonlySet<ErrorCode> = new Set(['NOT_CONTROLLER', 'SHUTTING_DOWN']);

/** The listed coordinators, of which one is the active one: whoever does not answer is followed by the next. */
export class CoordinatorLink {
  readonly #addresses: readonly string[];
  readonly #world: ClientWorld;
  readonly #waitMs: number;
  readonly #connections: Connections;
  #turn = 0;
  /** Whoever names this one as the active one does not know what this client knows. */
  #givenUp: string | undefined;
  #closed = false;

  /** @param waitMs - how long a call waits for a coordinator that answers */
  constructor(addresses: readonly string[], world: ClientWorld, waitMs: number = METADATA_WAIT_MS) {
    this.#addresses = addresses;
    this.#world = world;
    this.#connections = new Connections(world.transport);
    this.#waitMs = waitMs;
  }

  /** host:port of the coordinator whose turn it is. */
  get address(): string {
    return this.#addresses[this.#turn % this.#addresses.length]!;
  }

  /** The coordinator at an address does not answer: the next one has its turn, unless it has it already. */
  passOver(address: string): void {
    this.#givenUp = address;
    if (this.address === address) this.#turn++;
  }

  /** How many coordinators are listed. */
  get size(): number {
    return this.#addresses.length;
  }

  /**
   * One that is not the active one has named another: that has its turn, if it is listed, and was not given up just before;
   * else the next one.
   */
  redirect(from: string, to: string): void {
    const listed = this.#addresses.indexOf(to);
    if (listed === -1 || to === this.#givenUp) return this.passOver(from);
    if (this.address === from) this.#turn = listed;
    this.#givenUp = from;
  }

  /** Opens a stream to the coordinator whose turn it is. */
  open<Request, Response>(
    method: Method<Request, Response>,
    handlers: StreamHandlers<Response>,
  ): OpenedStream<Request> {
    return this.#connections.open(this.address, method, handlers);
  }

  /**
   * Asks the active coordinator something. While none answers it waits, `waitMs` at most; nothing that may have
   * been done is asked again.
   *
   * @param attached - waits until a session knows whose turn it is: then that decides who is passed over. Without one whoever
   *   does not do it is
   * @throws WeirError (as a rejection): why it was refused; COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT, after which what
   * was asked for may have been done or not
   */
  async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    attached?: (withinMs: number) => Promise<void>,
  ): Promise<Response> {
    const { clock } = this.#world;
    const untilMs = clock.monotonicMs() + this.#waitMs;
    // Where there is another one to ask, one that is not there is not waited for.
    const connect = this.size > 1 ? { connectMs: SESSION_OFFER_MS } : {};
    for (;;) {
      await attached?.(Math.max(0, untilMs - clock.monotonicMs()));
      if (this.#closed) throw new WeirError('SHUTTING_DOWN', 'the client is closed');
      const { address } = this;
      try {
        return await this.#connections.to(address).call(method, request, { deadlineMs: CALL_DEADLINE_MS, ...connect });
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        const { failure } = error;
        if (!nothingWasDone(failure) || clock.monotonicMs() + RECONNECT_MS_MIN >= untilMs) {
          throw errorOf(failure, address, error);
        }
        if (attached === undefined) this.passOver(address);
        await sleep(clock, RECONNECT_MS_MIN);
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#connections.close();
  }
}

/** Whether a coordinator is not the active one, or is about not to be: then another one is. */
export function isLeaving({ kind, code }: TransportFailure): boolean {
  return kind === 'refused' && NOT_ACTIVE.has(code);
}

/** Whether what was asked was not done for certain. */
function nothingWasDone(failure: TransportFailure): boolean {
  return failure.kind === 'unreachable' || isLeaving(failure);
}

function errorOf({ kind, code, message }: TransportFailure, address: string, cause: unknown): WeirError {
  if (kind === 'refused') return new WeirError(code, message, { cause });
  if (kind === 'deadline') return new WeirError('REQUEST_TIMED_OUT', `the coordinator: ${message}`, { cause });
  return new WeirError('COORDINATOR_UNAVAILABLE', `the coordinator at ${address}: ${message}`, { cause });
}
