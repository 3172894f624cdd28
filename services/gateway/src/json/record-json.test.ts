import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '@weir/base/ids.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import { TextBytes } from '@weir/base/text-bytes.ts';
import { addRecordJson } from './record-json.ts';

function record(parts: Partial<RecordView>): RecordView {
  return { offset: offset(5), timestampMs: 17, key: null, value: null, headers: [], ...parts };
}

function shown(parts: Partial<RecordView>, oneLine = false): string {
  const out = new TextBytes();
  addRecordJson(out, 2, record(parts), oneLine);
  return out.take().toString();
}

test('JSON stands in the answer as it was written, to the last digit', () => {
  expect(shown({ key: Buffer.from('k'), value: Buffer.from('{"n": 12345678901234567890, "x":1.0}') })).toBe(
    '{"partition":2,"offset":5,"timestamp":17,"key":"k","value":{"n": 12345678901234567890, "x":1.0},"headers":[]}',
  );
});

test('text, bytes, tombstones and JSON null are told apart', () => {
  expect(shown({ value: Buffer.from('hello') })).toContain('"value":"hello","encoding":"text"');
  expect(shown({ value: Buffer.from('') })).toContain('"value":"","encoding":"text"');
  expect(shown({ value: Buffer.from([0xff, 0]) })).toContain('"value":"/wA=","encoding":"base64"');
  expect(shown({ value: null })).toContain('"value":null,"headers"');
  expect(shown({ value: Buffer.from('null') })).toContain('"value":null,"encoding":"json"');
  expect(shown({ key: Buffer.from([0xff]) })).toContain('"key":"/w==","key_encoding":"base64"');
});

test('headers are always there', () => {
  const headers = [
    { key: 'a', value: Buffer.from('b"') },
    { key: 'c', value: null },
    { key: 'd', value: Buffer.from([0xfe]) },
  ];
  expect(shown({ headers })).toContain(
    '"headers":[{"key":"a","value":"b\\""},{"key":"c","value":null},{"key":"d","value":"/g==","encoding":"base64"}]',
  );
});

test('on one line, whatever the value is, there is no line break and nothing else changes', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value, null, 2))),
    fc.string().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, bytes, (key, value) => {
      const parts = { key: Buffer.from(key), value: Buffer.from(value) };
      const line = shown(parts, true);
      expect(line).not.toMatch(/[\r\n]/);
      expect(line).toBe(shown(parts).replaceAll(/[\r\n]/g, ' '));
    }),
  );
});
