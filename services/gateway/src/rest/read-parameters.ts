import { READ_RECORDS_DEFAULT, READ_RECORDS_MAX, READ_WAIT_MS_MAX } from '@weir/base/limits.ts';
import { parseTimestamp } from '@weir/base/timestamp.ts';
import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { knownPartition } from '../context.ts';
import { decodeCursor } from '../stream/cursor.ts';
import type { Cursor } from '../stream/cursor.ts';
import type { GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import type { Query } from '../http/query.ts';

/** Where a read begins. */
export type ReadFrom =
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'timestamp'; readonly timestamp: number | 'earliest' | 'latest' }
  | { readonly kind: 'cursor'; readonly cursor: Cursor };

/** What a /v1 read asks for. */
export interface ReadParameters {
  /** In ascending order. */
  readonly partitions: readonly number[];
  readonly from: ReadFrom;
  readonly limit: number;
  readonly waitMs: number;
}

/** Query parameters of a /v1 read. */
export const READ_PARAMETERS = ['partition', 'offset', 'timestamp', 'cursor', 'limit', 'wait'] as const;

/** @throws HttpFailure */
export function readParameters(request: GatewayRequest, topic: TopicInfo): ReadParameters {
  const { query } = request;
  query.allow(READ_PARAMETERS);
  const partition = query.text('partition');
  return {
    partitions:
      partition === undefined ? topic.partitions.map(({ index }) => index) : [knownPartition(topic, partition)],
    from: readFrom(query, topic),
    limit: query.integer('limit', { min: 1, max: READ_RECORDS_MAX }) ?? READ_RECORDS_DEFAULT,
    waitMs: waitMs(query.text('wait')),
  };
}

function readFrom(query: Query, topic: TopicInfo): ReadFrom {
  const offset = query.text('offset');
  const timestamp = query.text('timestamp');
  const cursor = query.text('cursor');
  if ([offset, timestamp, cursor].filter((given) => given !== undefined).length > 1) {
    throw new HttpFailure(
      'INVALID_REQUEST',
      'more than one of offset, timestamp and cursor: a read begins at one place',
    );
  }
  if (cursor !== undefined) return { kind: 'cursor', cursor: decodeCursor(cursor, topic) };
  if (timestamp !== undefined) return { kind: 'timestamp', timestamp: timestampMs(timestamp) };
  if (offset === undefined) return { kind: 'timestamp', timestamp: 'earliest' };
  if (offset === 'earliest' || offset === 'latest') return { kind: 'timestamp', timestamp: offset };
  const from = query.integer('offset', { min: 0, max: Number.MAX_SAFE_INTEGER })!;
  if (topic.partitions.length > 1 && query.text('partition') === undefined) {
    throw new HttpFailure(
      'INVALID_REQUEST',
      `offset=${from} is a place in one partition, and ${topic.name} has ${topic.partitions.length}: ` +
        'say which with partition=0, or begin at offset=earliest, a timestamp or a cursor',
    );
  }
  return { kind: 'offset', offset: from };
}

function timestampMs(text: string): number {
  const value = parseTimestamp(text);
  if (value !== undefined) return value;
  throw new HttpFailure(
    'INVALID_REQUEST',
    `timestamp=${text} is neither milliseconds since 1970 nor an ISO date such as 2026-01-31T08:00:00Z`,
  );
}

/** A time to wait, as `5s` or in milliseconds; none when it is left out. @throws HttpFailure */
export function waitMs(text: string | undefined): number {
  if (text === undefined) return 0;
  const match = /^(\d{1,6})(ms|s)?$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
  if (value <= READ_WAIT_MS_MAX) return value;
  throw new HttpFailure(
    'INVALID_REQUEST',
    `wait=${text} is not a time up to ${READ_WAIT_MS_MAX / 1_000}s: say it as 5s or, in milliseconds, as 5000`,
  );
}
