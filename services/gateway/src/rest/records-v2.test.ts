import { expect, test } from 'vitest';
import { HttpFailure } from '../http/failure.ts';
import { parseRecordsV2 } from './records-v2.ts';
import type { RecordFormat } from './records-v2.ts';

function parse(body: unknown, format: RecordFormat = 'json', partition?: number): ReturnType<typeof parseRecordsV2> {
  return parseRecordsV2(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), format, partition);
}

function problems(body: unknown, format: RecordFormat = 'json', partition?: number): readonly string[] {
  try {
    parse(body, format, partition);
  } catch (error) {
    if (error instanceof HttpFailure) return error.details.validationErrors ?? [error.message];
    throw error;
  }
  throw new Error('it was taken');
}

const texts = (records: ReturnType<typeof parse>): unknown[] =>
  records.map(({ key, value }) => [
    key === null ? null : Buffer.from(key).toString(),
    value === null ? null : Buffer.from(value).toString(),
  ]);

test('JSON keys and values are taken as they were written', () => {
  expect(
    texts(parse('{"records":[{"key":"k","value":{"n": 12345678901234567890}},{"value":null},{"value":1.0}]}')),
  ).toEqual([
    ['"k"', '{"n": 12345678901234567890}'],
    [null, null],
    [null, '1.0'],
  ]);
});

test('a number that is whole is taken in either of its spellings', () => {
  const [taken] = parse('{"records":[{"value":1,"partition":3.0,"timestamp":99.00}]}');
  expect(taken).toMatchObject({ partition: 3, timestampMs: 99 });
  expect(problems('{"records":[{"value":1,"partition":3.5}]}')).toHaveLength(1);
  expect(problems('{"records":[{"value":1,"partition":3.}]}')).toHaveLength(1);
});

test('a header has a key and a value, and nothing else', () => {
  const headers = [{ key: 'a', value: 'Yg==', encoding: 'base64' }];
  expect(problems({ records: [{ value: 1, headers }] })).toEqual([
    expect.stringContaining('"headers" is not an array'),
  ]);
});

test('text and base64 are decoded', () => {
  expect(texts(parse({ records: [{ key: 'a\n', value: 'é' }] }, 'text'))).toEqual([['a\n', 'é']]);
  expect(texts(parse({ records: [{ key: 'YQ==', value: 'aGk=' }] }, 'binary'))).toEqual([['a', 'hi']]);
});

test('partition, timestamp and headers are taken', () => {
  const record = {
    value: 1,
    partition: 3,
    timestamp: 99,
    headers: [
      { key: 'a', value: 'Yg==' },
      { key: 'c', value: null },
    ],
  };
  const [taken] = parse({ records: [record] });
  expect(taken).toMatchObject({ partition: 3, timestampMs: 99 });
  expect(taken!.headers).toEqual([
    { key: 'a', value: Buffer.from('b') },
    { key: 'c', value: null },
  ]);
  expect(parse({ records: [{ value: 1 }] }, 'json', 2)[0]!.partition).toBe(2);
});

test('every problem is told with its place', () => {
  const records = [
    { key: 1 },
    { value: 1, nonsense: 2 },
    { value: 1, partition: -1 },
    { value: 1, headers: [{}] },
    5,
    { value: 1 },
  ];
  expect(problems({ records })).toEqual([
    'records[0]: "value" is missing (null is a tombstone)',
    'records[1]: "nonsense" is unknown: expected key, value, partition, timestamp, headers',
    'records[2]: "partition" is not a whole number from 0 to 2147483647',
    'records[3]: "headers" is not an array of {"key":"name","value":"base64"}',
    'records[4]: is not an object',
  ]);
  expect(problems({ records: [{ value: 'a' }] }, 'binary')).toEqual([
    'records[0]: "value" is not base64, as the binary format has it',
  ]);
  expect(problems({ records: [{ value: 1 }] }, 'text')).toEqual([
    'records[0]: "value" is not a string, as the text format has it',
  ]);
  expect(problems({ records: [{ value: 1, partition: 1 }] }, 'json', 0)).toEqual([
    'records[0]: "partition" is in the path already',
  ]);
  expect(problems({ records: [] })).toEqual(['"records" is empty: expected at least one record']);
  expect(problems({ records: {}, more: 1 })).toEqual([
    '"records" is missing or not an array: expected {"records":[{"value":…}]}',
  ]);
  expect(problems({ records: [{ value: 1 }], more: 1 })).toEqual(['"more" is unknown: expected "records" alone']);
  expect(problems([1])).toEqual(['the body is not an object: expected {"records":[…]}']);
  expect(problems('')).toEqual(['the body is empty: expected {"records":[{"value":…}]}']);
});

test('a body that is wrong all through is not repeated to its sender', () => {
  expect(problems({ records: Array.from({ length: 1_000 }, () => 5) })).toHaveLength(20);
});
