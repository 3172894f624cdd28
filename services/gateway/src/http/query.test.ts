import { expect, test } from 'vitest';
import { Query } from './query.ts';

test('parameters are read and checked', () => {
  const query = new Query('a=x%20y&n=12&c=two&empty=');
  query.allow(['a', 'n', 'c', 'empty']);
  expect(query.text('a')).toBe('x y');
  expect(query.text('empty')).toBe('');
  expect(query.text('none')).toBeUndefined();
  expect(query.integer('n', { min: 0, max: 12 })).toBe(12);
  expect(query.integer('none', { min: 0, max: 12 })).toBeUndefined();
  expect(query.choice('c', ['one', 'two'])).toBe('two');
});

test('what does not fit is refused with what would', () => {
  const query = new Query('n=-1&m=9007199254740993&c=three&n=2');
  expect(() => query.allow(['m', 'c'])).toThrow('the query parameter "n" is unknown here: it has m, c');
  expect(() => query.allow(['n', 'm', 'c'])).toThrow('"n" was given twice');
  expect(() => query.integer('n', { min: 0, max: 5 })).toThrow('n=-1 is not a whole number from 0 to 5');
  expect(() => query.integer('m', { min: 0, max: Number.MAX_SAFE_INTEGER })).toThrow('is not a whole number');
  expect(() => query.choice('c', ['one', 'two'])).toThrow('c=three is not one of one, two');
});
