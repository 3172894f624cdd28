import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { knownPartition } from '../context.ts';
import type { ProducerRecord } from '@weir/client/producer/producer.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import type { GatewayRequest } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';
import { findField, kindAt } from '../json/json-slices.ts';

const HEADER_PREFIX = 'weir-header-';

/** Query parameters of a /v1 produce. */
export const PRODUCE_PARAMETERS = ['key', 'keyField', 'partition', 'acks'] as const;

/** What all records of one /v1 request have in common. */
export class RecordTemplate {
  readonly acks: 'all' | 'leader' | undefined;
  readonly #key: Buffer | null;
  readonly #keyField: { readonly name: string; readonly quoted: Buffer } | undefined;
  readonly #common: Pick<ProducerRecord, 'headers' | 'partition'> | undefined;

  /** @throws HttpFailure */
  constructor(request: GatewayRequest, topic: TopicInfo) {
    const { query } = request;
    query.allow(PRODUCE_PARAMETERS);
    this.acks = query.choice('acks', ['all', 'leader']);
    const key = query.text('key');
    const keyField = query.text('keyField');
    if (key !== undefined && keyField !== undefined) {
      throw new HttpFailure('INVALID_REQUEST', 'key and keyField were both given: a record has one key, choose one');
    }
    this.#key = key === undefined ? null : Buffer.from(key);
    this.#keyField =
      keyField === undefined ? undefined : { name: keyField, quoted: Buffer.from(JSON.stringify(keyField)) };
    const partitionText = query.text('partition');
    const partition = partitionText === undefined ? undefined : knownPartition(topic, partitionText);
    const headers = recordHeaders(request.headers);
    if (partition !== undefined || headers !== undefined) {
      this.#common = {
        ...(headers === undefined ? {} : { headers }),
        ...(partition === undefined ? {} : { partition }),
      };
    }
  }

  /** A record of raw bytes. @throws HttpFailure */
  rawRecord(value: Buffer): ProducerRecord {
    if (this.#keyField !== undefined) {
      throw new HttpFailure(
        'INVALID_REQUEST',
        'keyField needs JSON objects: with raw bytes use key, or send application/json',
      );
    }
    return this.#record(this.#key, value);
  }

  /** A record of one JSON value that was checked; JSON's null is a tombstone. @throws HttpFailure */
  jsonRecord(body: Buffer, start: number, end: number): ProducerRecord {
    const key = this.#keyField === undefined ? this.#key : this.#keyFrom(body, start, end);
    const isNull = end - start === 4 && body[start] === 0x6e;
    return this.#record(key, isNull ? null : body.subarray(start, end));
  }

  #record(key: Buffer | null, value: Buffer | null): ProducerRecord {
    return this.#common === undefined ? { key, value } : { key, value, ...this.#common };
  }

  #keyFrom(body: Buffer, start: number, end: number): Buffer {
    const { name, quoted } = this.#keyField!;
    const slice = body[start] === 0x7b ? findField(body, { start, end }, name, quoted) : undefined;
    if (slice === undefined) {
      throw new HttpFailure(
        'INVALID_RECORD',
        `keyField=${name}: the record ${snippet(body, start, end)} has no such field`,
      );
    }
    switch (kindAt(body, slice.start)) {
      case 'number':
        return body.subarray(slice.start, slice.end);
      case 'string': {
        const raw = body.subarray(slice.start + 1, slice.end - 1);
        // Without escapes the key is what stands between the quotes.
        return raw.includes(0x5c)
          ? Buffer.from(JSON.parse(body.toString('utf8', slice.start, slice.end)) as string)
          : raw;
      }
      case 'object':
      case 'array':
      case 'boolean':
      case 'null':
        throw new HttpFailure(
          'INVALID_RECORD',
          `keyField=${name}: in ${snippet(body, start, end)} that field is neither a string nor a number`,
        );
    }
  }
}

function snippet(body: Buffer, start: number, end: number): string {
  return end - start <= 60 ? body.toString('utf8', start, end) : `${body.toString('utf8', start, start + 57)}…`;
}

/** Request headers `weir-header-NAME` become headers of every record. */
function recordHeaders(headers: GatewayRequest['headers']): RecordHeader[] | undefined {
  let found: RecordHeader[] | undefined;
  for (const name in headers) {
    if (!name.startsWith(HEADER_PREFIX)) continue;
    const value = headers[name];
    if (value === undefined) continue;
    found ??= [];
    // Node reads header bytes as latin1; whoever sent UTF-8 gets it back.
    found.push({ key: name.slice(HEADER_PREFIX.length), value: Buffer.from(String(value), 'latin1') });
  }
  return found;
}
