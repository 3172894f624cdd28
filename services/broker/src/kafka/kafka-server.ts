import type { Cancel, Clock } from '@weir/base/clock.ts';
import { sleep } from '@weir/base/clock.ts';
import {
  KAFKA_CONNECTIONS_MAX,
  KAFKA_CONNECTIONS_PER_ADDRESS_MAX,
  KAFKA_SCRATCH_BYTES,
  KAFKA_SWEEP_MS,
} from '@weir/base/limits.ts';
import type { Slabs } from '@weir/base/slabs.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { Turn } from '../partition/turn.ts';
import { Connection } from './connection.ts';
import type { ConnectionParts } from './connection.ts';
import type { Handler } from './exchange.ts';
import { FrameMemory } from './frame-memory.ts';
import { formatListeners } from '@weir/base/listeners.ts';
import type { NamedAddress } from '@weir/base/listeners.ts';
import type { KafkaSocket, ListenForSockets, SocketListener } from './socket.ts';

/** What the server needs. */
export interface KafkaServerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly turn: Turn;
  readonly slabs: Slabs;
  readonly handlers: ReadonlyMap<number, Handler>;
  /** For requests that are arriving or wait to be begun. */
  readonly frameBytesMax: number;
  /** A request was answered. */
  readonly measure: (api: string, durationMs: number) => void;
  /** Called now and then, to look at what has a deadline. */
  readonly sweep: (nowMs: number) => void;
}

/** Why connections were ended or refused, counted. */
export type ConnectionEnd = 'refused_request' | 'too_many' | 'idle' | 'failed';

/** A broker's front door for clients that speak Kafka's protocol. */
export class KafkaServer {
  readonly #parts: KafkaServerParts;
  readonly #connectionParts: ConnectionParts;
  /** In the order in which requests that were held back are begun. */
  readonly #connections = new Set<Connection>();
  readonly #perHost = new Map<string, number>();
  readonly #memory: FrameMemory;
  #listeners: SocketListener[] = [];
  #cancelSweep: Cancel | undefined;
  #saidFullMs = Number.NEGATIVE_INFINITY;
  /** So many connections were ended by this side, by reason. */
  readonly ended: Record<ConnectionEnd, number> = { refused_request: 0, too_many: 0, idle: 0, failed: 0 };

  constructor(parts: KafkaServerParts) {
    const { clock, turn, slabs, handlers, measure, logger } = parts;
    this.#parts = parts;
    this.#memory = new FrameMemory(parts.frameBytesMax);
    this.#connectionParts = {
      clock,
      turn,
      slabs,
      memory: this.#memory,
      scratch: Buffer.allocUnsafeSlow(KAFKA_SCRATCH_BYTES),
      handlers,
      measure,
      closed: (connection) => this.#forget(connection),
      failed: (error, what) => {
        this.ended.failed++;
        logger.error({ err: error }, `a Kafka request could not be answered: ${what}`);
      },
      refused: (peer, why) => {
        this.ended.refused_request++;
        logger.warn({ peer }, `ended the connection of a Kafka client: ${why}`);
      },
    };
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Memory of requests that are arriving or wait to be begun. */
  get frameBytes(): number {
    return this.#memory.bytes;
  }

  /**
   * Listens on all addresses.
   *
   * @returns what is bound, in the form that brokers register with
   * @throws Error (as a rejection) that names the address that cannot be bound
   */
  async serve(listeners: readonly NamedAddress[], listen: ListenForSockets): Promise<string> {
    const { clock, sweep } = this.#parts;
    const bound: NamedAddress[] = [];
    for (const { name, address } of listeners) {
      const listener = await listen(address, (socket) => this.#accept(socket, name));
      this.#listeners.push(listener);
      bound.push({ name, address: listener.address });
    }
    this.#cancelSweep = clock.every(KAFKA_SWEEP_MS, () => {
      const nowMs = clock.monotonicMs();
      sweep(nowMs);
      this.#endOverdue(nowMs);
    });
    return formatListeners(bound);
  }

  /** Begins requests that were held back. There may not be room for all: whoever has some now is last the next time. */
  resume(): void {
    const inOrder = [...this.#connections];
    for (const connection of inOrder) {
      if (connection.begin() && this.#connections.delete(connection)) this.#connections.add(connection);
    }
  }

  /** Accepts nothing more. */
  stopListening(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  /** Ends all connections, once what they are owed is sent, or when the time is up. */
  async close(graceMs: number): Promise<void> {
    const { clock } = this.#parts;
    this.stopListening();
    this.#cancelSweep?.();
    const untilMs = clock.monotonicMs() + graceMs;
    for (;;) {
      for (const connection of this.#connections) if (!connection.isBusy) connection.destroy();
      if (this.#connections.size === 0 || clock.monotonicMs() >= untilMs) break;
      await sleep(clock, CLOSE_LOOK_MS);
    }
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(socket: KafkaSocket, listener: string): Connection | undefined {
    const ofHost = this.#perHost.get(socket.peerHost) ?? 0;
    if (this.#connections.size >= KAFKA_CONNECTIONS_MAX || ofHost >= KAFKA_CONNECTIONS_PER_ADDRESS_MAX) {
      this.#sayFull(socket.peerHost, ofHost);
      return undefined;
    }
    this.#perHost.set(socket.peerHost, ofHost + 1);
    const connection = new Connection(socket, listener, this.#connectionParts);
    this.#connections.add(connection);
    return connection;
  }

  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    const host = connection.peerHost;
    const left = (this.#perHost.get(host) ?? 1) - 1;
    if (left === 0) this.#perHost.delete(host);
    else this.#perHost.set(host, left);
  }

  #endOverdue(nowMs: number): void {
    for (const connection of this.#connections) {
      const why = connection.overdue(nowMs);
      if (why === undefined) continue;
      this.ended.idle++;
      this.#parts.logger.debug(`ended the connection of ${connection.peerHost}: ${why}`);
      connection.destroy();
    }
  }

  #sayFull(host: string, ofHost: number): void {
    this.ended.too_many++;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#saidFullMs < SAY_FULL_MS) return;
    this.#saidFullMs = nowMs;
    this.#parts.logger.warn(
      { connections: this.#connections.size, peer: host, ofPeer: ofHost },
      `no more connections are taken: at most ${KAFKA_CONNECTIONS_MAX}, and ${KAFKA_CONNECTIONS_PER_ADDRESS_MAX} of one address`,
    );
  }
}

const CLOSE_LOOK_MS = 5;
const SAY_FULL_MS = 10_000;
