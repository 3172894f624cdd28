import { create } from '@bufbuild/protobuf';
import type { Cancel, Clock } from '@weir/base/clock.ts';
import { HOLDER_RETRY_MS } from '@weir/base/limits.ts';
import type { Connection, Stream, Transport, TransportFailure } from '@weir/base/transport.ts';
import { CoordinatorService, StandByRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { StandByRequest } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { Claim } from './claim.ts';

const STAND_BY = protobufMethod(CoordinatorService.method.standBy);
/** Connections in a row that nobody takes, before there is nobody. */
const REFUSALS_MAX = 2;
/** Between tries while the holder's address says anything else. */
const RETRY_MS = 500;

/**
 * A standby's stream to the active coordinator, which breaks when its process dies. That nobody listens at its address any
 * more, twice in a row, is taken for its death. Whatever else is wrong is not: silence, an address that is not found, a
 * process there that is not it. Then the lease decides.
 */
export class HolderLink {
  readonly #holder: Pick<Claim, 'address' | 'incarnation'>;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #dead: () => void;
  #connection: Connection | undefined;
  #stream: Stream<StandByRequest> | undefined;
  /** Whether the stream that there is was answered. */
  #stands = false;
  #refusals = 0;
  #cancelRetry: Cancel | undefined;
  #isClosed = false;

  /** @param dead - called once, when the holder is taken for dead */
  constructor(
    holder: Pick<Claim, 'address' | 'incarnation'>,
    { transport, clock }: { readonly transport: Transport; readonly clock: Clock },
    dead: () => void,
  ) {
    this.#holder = holder;
    this.#transport = transport;
    this.#clock = clock;
    this.#dead = dead;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#drop();
  }

  #open(): void {
    // A connection of its own for each try: one that failed would answer the next try without making it.
    const connection = this.#transport.connect(this.#holder.address);
    this.#connection = connection;
    this.#stream = connection.open(STAND_BY, {
      message: () => {
        this.#stands = true;
      },
      drained: () => {},
      closed: (failure) => {
        if (this.#connection === connection) this.#broken(failure);
      },
    });
    this.#stream.send(create(StandByRequestSchema, { incarnation: this.#holder.incarnation }));
  }

  #broken(failure: TransportFailure | undefined): void {
    this.#drop();
    if (this.#isClosed) return;
    this.#refusals = failure?.nobodyListens === true ? this.#refusals + 1 : 0;
    if (this.#refusals >= REFUSALS_MAX) {
      this.#isClosed = true;
      return this.#dead();
    }
    const waitMs = this.#stands ? 0 : failure?.nobodyListens === true ? HOLDER_RETRY_MS : RETRY_MS;
    this.#stands = false;
    this.#cancelRetry = this.#clock.after(waitMs, () => this.#open());
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#stream?.abort({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'the standby goes' });
    this.#stream = undefined;
    connection?.close();
  }
}
