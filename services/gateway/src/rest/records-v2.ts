import { bytesOfBase64 } from '@weir/base/base64.ts';
import { HTTP_RECORDS_MAX, RECORD_HEADERS_MAX } from '@weir/base/limits.ts';
import type { ProducerRecord } from '@weir/client/producer/producer.ts';
import type { RecordHeader } from '@weir/records/record.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import { cutValue, elementsOf, fieldsOf, kindAt } from '../json/json-slices.ts';
import type { JsonSlice } from '../json/json-slices.ts';

/** How keys and values of a v2 body are written: as JSON, as base64, or as text. */
export type RecordFormat = 'json' | 'binary' | 'text';

const FIELDS = ['key', 'value', 'partition', 'timestamp', 'headers'];

/** Problems that are told of one body; a body that is wrong all through is not repeated to its sender. */
const PROBLEMS_MAX = 20;

/**
 * The records of a v2 body `{"records":[{key,value,partition?,timestamp?,headers?}]}`. JSON keys and values are views
 * of the body, as they were written.
 *
 * @param partition where all of them go, for `/topics/{topic}/partitions/{partition}`
 * @throws HttpFailure MALFORMED_JSON, or INVALID_BODY with every problem
 */
export function parseRecordsV2(body: Buffer, format: RecordFormat, partition: number | undefined): ProducerRecord[] {
  const whole = cutValue(body, 0, body.length);
  if (whole === undefined)
    throw new HttpFailure('MALFORMED_JSON', 'the body is empty: expected {"records":[{"value":…}]}');
  if (kindAt(body, whole.start) !== 'object')
    throw invalidBody(['the body is not an object: expected {"records":[…]}']);
  const fields = fieldsOf(body, whole);
  const list = fields.get('records');
  if (list === undefined || kindAt(body, list.start) !== 'array') {
    throw invalidBody(['"records" is missing or not an array: expected {"records":[{"value":…}]}']);
  }
  const problems = [...fields.keys()]
    .filter((name) => name !== 'records')
    .map((name) => `"${name}" is unknown: expected "records" alone`);
  const parts = elementsOf(body, list);
  if (parts.length === 0) problems.push('"records" is empty: expected at least one record');
  if (parts.length / 2 > HTTP_RECORDS_MAX) {
    throw new HttpFailure(
      'RECORD_LIST_TOO_LARGE',
      `${parts.length / 2} records, at most ${HTTP_RECORDS_MAX} are taken at once`,
    );
  }
  const reader = new RecordReader(body, format, partition);
  const records: ProducerRecord[] = [];
  for (let i = 0; i < parts.length && problems.length < PROBLEMS_MAX; i += 2) {
    const record = reader.read({ start: parts[i]!, end: parts[i + 1]! });
    if (typeof record === 'string') problems.push(`records[${i / 2}]: ${record}`);
    else records.push(record);
  }
  if (problems.length > 0) throw invalidBody(problems);
  return records;
}

/** Reads records one by one. A method that answers with a string names a problem. */
class RecordReader {
  readonly #body: Buffer;
  readonly #format: RecordFormat;
  readonly #partition: number | undefined;

  constructor(body: Buffer, format: RecordFormat, partition: number | undefined) {
    this.#body = body;
    this.#format = format;
    this.#partition = partition;
  }

  read(slice: JsonSlice): ProducerRecord | string {
    if (kindAt(this.#body, slice.start) !== 'object') return 'is not an object';
    const fields = fieldsOf(this.#body, slice);
    for (const name of fields.keys()) {
      if (!FIELDS.includes(name)) return `"${name}" is unknown: expected ${FIELDS.join(', ')}`;
    }
    if (!fields.has('value')) return '"value" is missing (null is a tombstone)';
    const key = this.#bytes('key', fields.get('key'));
    if (typeof key === 'string') return key;
    const value = this.#bytes('value', fields.get('value'));
    if (typeof value === 'string') return value;
    if (this.#partition !== undefined && fields.has('partition')) {
      return '"partition" is in the path already';
    }
    const partition = this.#integer('partition', fields.get('partition'), 0x7fff_ffff);
    if (typeof partition === 'string') return partition;
    const timestampMs = this.#integer('timestamp', fields.get('timestamp'), Number.MAX_SAFE_INTEGER);
    if (typeof timestampMs === 'string') return timestampMs;
    const headers = this.#headers(fields.get('headers'));
    if (typeof headers === 'string') return headers;
    const to = this.#partition ?? partition;
    return {
      key,
      value,
      ...(to === undefined ? {} : { partition: to }),
      ...(timestampMs === undefined ? {} : { timestampMs }),
      ...(headers === undefined ? {} : { headers }),
    };
  }

  #bytes(name: string, slice: JsonSlice | undefined): Buffer | null | string {
    if (slice === undefined) return null;
    const kind = kindAt(this.#body, slice.start);
    if (kind === 'null') return null;
    if (this.#format === 'json') return this.#body.subarray(slice.start, slice.end);
    if (kind !== 'string') return `"${name}" is not a string, as the ${this.#format} format has it`;
    const text = this.#text(slice);
    if (this.#format === 'text') return Buffer.from(text);
    return bytesOfBase64(text) ?? `"${name}" is not base64, as the binary format has it`;
  }

  #integer(name: string, slice: JsonSlice | undefined, max: number): number | undefined | string {
    if (slice === undefined || kindAt(this.#body, slice.start) === 'null') return undefined;
    const text = this.#body.toString('utf8', slice.start, slice.end);
    // To JSON Schema 7.0 is a whole number, and some write it so.
    const value = /^\d{1,16}(\.0+)?$/.test(text) ? Number(text) : Number.NaN;
    return value <= max ? value : `"${name}" is not a whole number from 0 to ${max}`;
  }

  #headers(slice: JsonSlice | undefined): RecordHeader[] | undefined | string {
    if (slice === undefined || kindAt(this.#body, slice.start) === 'null') return undefined;
    const expected = '"headers" is not an array of {"key":"name","value":"base64"}';
    if (kindAt(this.#body, slice.start) !== 'array') return expected;
    const parts = elementsOf(this.#body, slice);
    if (parts.length / 2 > RECORD_HEADERS_MAX) return `"headers" has more than ${RECORD_HEADERS_MAX}`;
    const headers: RecordHeader[] = [];
    for (let i = 0; i < parts.length; i += 2) {
      if (kindAt(this.#body, parts[i]!) !== 'object') return expected;
      const fields = fieldsOf(this.#body, { start: parts[i]!, end: parts[i + 1]! });
      const key = fields.get('key');
      const value = fields.get('value');
      if ([...fields.keys()].some((name) => name !== 'key' && name !== 'value')) return expected;
      if (key === undefined || kindAt(this.#body, key.start) !== 'string') return expected;
      if (value === undefined || kindAt(this.#body, value.start) === 'null') {
        headers.push({ key: this.#text(key), value: null });
        continue;
      }
      const bytes = kindAt(this.#body, value.start) === 'string' ? bytesOfBase64(this.#text(value)) : undefined;
      if (bytes === undefined) return expected;
      headers.push({ key: this.#text(key), value: bytes });
    }
    return headers;
  }

  #text(slice: JsonSlice): string {
    return JSON.parse(this.#body.toString('utf8', slice.start, slice.end)) as string;
  }
}
