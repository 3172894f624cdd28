import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutRecords, cutValue, fieldsOf, findField } from './json-slices.ts';

function cut(text: string): string[] {
  const body = Buffer.from(text);
  const parts = cutRecords(body);
  const records: string[] = [];
  for (let i = 0; i < parts.length; i += 2) records.push(body.toString('utf8', parts[i], parts[i + 1]));
  return records;
}

function inEscapes(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, '0'));
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

test('an array is cut into its elements, anything else is one record, and no byte of a record changes', () => {
  expect(cut('[1, {"a" :  12345678901234567890},"x", [2,3] ]')).toEqual([
    '1',
    '{"a" :  12345678901234567890}',
    '"x"',
    '[2,3]',
  ]);
  expect(cut(' {"a":1.10} \n')).toEqual(['{"a":1.10}']);
  expect(cut('[]')).toEqual([]);
});

test('what is cut out is what was put together', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', ' ', '\t'), (values, indent) => {
      const elements = values.map((value) => JSON.stringify(value, null, indent).replaceAll('\n', `\n${indent}`));
      expect(cut(JSON.stringify(values, null, indent))).toEqual(elements);
    }),
  );
});

// Not held against JSON.parse: V8 13.6 misreads a name of one character that is written as an escape.
test('a field is found by its name, however that is written', () => {
  const name = fc.oneof(fc.constantFrom('a', 'b', 'é', 'a"b', '\\'), fc.string());
  fc.assert(
    fc.property(fc.dictionary(name, fc.jsonValue()), name, fc.boolean(), (object, wanted, escaped) => {
      const written = (text: string): string => (escaped ? inEscapes(text) : JSON.stringify(text));
      const fields = Object.entries(object).map(([field, value]) => `${written(field)} : ${JSON.stringify(value)}`);
      const body = Buffer.from(`{${fields.join(' ,')}}`);
      const slice = findField(body, { start: 0, end: body.length }, wanted, Buffer.from(JSON.stringify(wanted)));
      const found = slice === undefined ? undefined : body.toString('utf8', slice.start, slice.end);
      expect(found).toBe(Object.hasOwn(object, wanted) ? JSON.stringify(object[wanted]) : undefined);
    }),
  );
});

test('all fields are there by name', () => {
  const body = Buffer.from('{"a":1,"b":[{}],"__proto__":2}');
  const fields = fieldsOf(body, { start: 0, end: body.length });
  expect([...fields.keys()]).toEqual(['a', 'b', '__proto__']);
});

test('malformed JSON is refused with its place', () => {
  expect(() => cut('[1,\n 2,, 3]')).toThrow('malformed at line 2, byte 4: ", 3]" does not belong there');
  expect(() => cut('{"a":')).toThrow('ends in the middle of a value');
  expect(() => cut('')).toThrow('the body is empty');
  expect(() => cut('{"a":1} x')).toThrow('malformed at line 1, byte 9');
  expect(() => cutRecords(Buffer.from([0x22, 0xc3, 0x22]))).toThrow('not UTF-8');
});

test('one value is cut out of a part of a body', () => {
  const body = Buffer.from('xx {"a":1} yy');
  expect(cutValue(body, 2, 11)).toEqual({ start: 3, end: 10 });
  expect(cutValue(body, 2, 3)).toBeUndefined();
  expect(() => cutValue(body, 2, 13)).toThrow('byte 10: "yy"');
});
