import { expect, test } from 'vitest';
import { splitAddress, withPort } from './options.ts';

test('an address is taken apart, with IPv6 out of its brackets, and keeps them when it gets another port', () => {
  expect(splitAddress('broker-1.weir:9092')).toEqual({ host: 'broker-1.weir', port: 9092 });
  expect(splitAddress('[::1]:0')).toEqual({ host: '::1', port: 0 });
  expect(withPort('[::1]:0', 4711)).toBe('[::1]:4711');
  expect(withPort('127.0.0.1:0', 80)).toBe('127.0.0.1:80');
});
