import { sleep } from '@weir/base/clock.ts';
import { WeirError } from '@weir/base/errors.ts';
import { CALL_DEADLINE_MS, METADATA_WAIT_MS, RECONNECT_MS_MIN } from '@weir/base/limits.ts';
import { TransportError } from '@weir/base/transport.ts';
import type { Method, Stream, StreamHandlers, TransportFailure } from '@weir/base/transport.ts';
import { Connections } from '../connections.ts';
import type { ClientWorld } from '../world.ts';

/** Refusals of a coordinator that is not the active one, or not any more: nothing was done. */
const NOT_ACTIVE: ReadonlySet<string> = new Set(['COORDINATOR_UNAVAILABLE', 'SHUTTING_DOWN']);

/** The listed coordinators, of which one is the active one: whoever does not answer is followed by the next. */
export class CoordinatorLink {
  readonly #addresses: readonly string[];
  readonly #world: ClientWorld;
  readonly #waitMs: number;
  readonly #connections: Connections;
  #turn = 0;
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
    if (this.address === address) this.#turn++;
  }

  /** A connection that brought nothing for long may lead nowhere: the next use makes a new one. */
  drop(address: string): void {
    this.#connections.drop(address);
  }

  /** Opens a stream to the coordinator whose turn it is. */
  open<Request, Response>(method: Method<Request, Response>, handlers: StreamHandlers<Response>): Stream<Request> {
    return this.#connections.to(this.address).open(method, handlers);
  }

  /**
   * Asks the active coordinator something. While none answers it waits, `waitMs` at most; nothing that may have
   * been done is asked again.
   *
   * @throws WeirError (as a rejection): why it was refused; COORDINATOR_UNAVAILABLE or REQUEST_TIMED_OUT, after which what
   * was asked for may have been done or not
   */
  async call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const { clock } = this.#world;
    const untilMs = clock.monotonicMs() + this.#waitMs;
    for (;;) {
      if (this.#closed) throw new WeirError('SHUTTING_DOWN', 'the client is closed');
      const { address } = this;
      try {
        return await this.#connections.to(address).call(method, request, { deadlineMs: CALL_DEADLINE_MS });
      } catch (error) {
        if (!(error instanceof TransportError)) throw error;
        const { failure } = error;
        if (!nothingWasDone(failure) || clock.monotonicMs() + RECONNECT_MS_MIN >= untilMs) {
          throw errorOf(failure, address, error);
        }
        this.passOver(address);
        await sleep(clock, RECONNECT_MS_MIN);
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#connections.close();
  }
}

function nothingWasDone({ kind, code }: TransportFailure): boolean {
  return kind === 'unreachable' || (kind === 'refused' && NOT_ACTIVE.has(code));
}

function errorOf({ kind, code, message }: TransportFailure, address: string, cause: unknown): WeirError {
  if (kind === 'refused') return new WeirError(code, message, { cause });
  if (kind === 'deadline') return new WeirError('REQUEST_TIMED_OUT', `the coordinator: ${message}`, { cause });
  return new WeirError('COORDINATOR_UNAVAILABLE', `the coordinator at ${address}: ${message}`, { cause });
}
