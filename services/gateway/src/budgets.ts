import { HTTP_CONSUMER_AHEAD_BYTES, HTTP_CONSUMERS_MAX, HTTP_CONSUMERS_MIN } from '@weir/base/group-limits.ts';
import {
  GATEWAY_PROCESS_BYTES,
  HTTP_BODY_BYTES_MAX,
  HTTP_IN_FLIGHT_BYTES_MAX,
  PRODUCER_BUFFER_BYTES_MAX,
  READ_BYTES_MAX,
  READ_BYTES_MIN,
} from '@weir/base/limits.ts';

/** What a gateway may hold in memory, over all requests. */
export interface Budgets {
  /** Bodies that are being read or answered; past it requests are refused. */
  readonly inFlightBytes: number;
  /** Records on their way to brokers; past half of it uploads are held back. */
  readonly producerBufferBytes: number;
  /** What one read brings at most, but for its last record. */
  readonly readBytes: number;
  /** Consumers at a time: what they read ahead is an eighth, unless they have many partitions each. */
  readonly consumersMax: number;
}

/**
 * The budgets under a memory limit: a quarter each of what the process itself leaves of it. The rest is for what
 * consumers read ahead, and for what bytes take beside themselves: sockets' chunks, text in two forms, and what the
 * collector has not come to yet.
 */
export function budgetsFor(memoryLimitBytes: number): Budgets {
  const share = Math.floor(Math.max(0, memoryLimitBytes - GATEWAY_PROCESS_BYTES) / 4);
  // The largest body has to fit into both, or it would be refused as long as the gateway lives.
  const inFlightBytes = Math.min(HTTP_IN_FLIGHT_BYTES_MAX, Math.max(HTTP_BODY_BYTES_MAX, share));
  return {
    inFlightBytes,
    producerBufferBytes: Math.min(PRODUCER_BUFFER_BYTES_MAX, Math.max(HTTP_BODY_BYTES_MAX, share)),
    readBytes: Math.min(READ_BYTES_MAX, Math.max(READ_BYTES_MIN, Math.floor(inFlightBytes / 16))),
    consumersMax: Math.min(
      HTTP_CONSUMERS_MAX,
      Math.max(HTTP_CONSUMERS_MIN, Math.floor(share / 2 / HTTP_CONSUMER_AHEAD_BYTES)),
    ),
  };
}
