import { expect, test } from 'vitest';
import { addressOf, advertised, formatListeners, listenersProblem, parseListeners } from './listeners.ts';

test('one address is the default listener, several have names', () => {
  expect(parseListeners('127.0.0.1:9092')).toEqual([{ name: 'default', address: '127.0.0.1:9092' }]);
  expect(parseListeners('in=0.0.0.0:9093,out=[::1]:9092')).toEqual([
    { name: 'in', address: '0.0.0.0:9093' },
    { name: 'out', address: '[::1]:9092' },
  ]);
  for (const text of ['broker:9092', 'in=a:1,out=b:2']) expect(formatListeners(parseListeners(text))).toBe(text);
});

test('what is no list of listeners is refused with what is wrong', () => {
  expect(listenersProblem('9092')).toContain('is not host:port (at "9092")');
  expect(listenersProblem('a=h:1,a=h:2')).toContain('two listeners of one name');
  expect(listenersProblem('h:1,h:2')).toContain('two listeners of one name');
  expect(listenersProblem('no name=h:1')).toContain('no name of a listener');
  expect(listenersProblem('in=h:1,out=h:2')).toBeUndefined();
});

test('clients are told the advertised address of the listener by which they came, or where it is bound', () => {
  const told = advertised('in=127.0.0.1:9093,out=127.0.0.1:9092', 'out=weir.example:19092');
  expect(told).toBe('in=127.0.0.1:9093,out=weir.example:19092');
  expect(addressOf(told, 'out')).toBe('weir.example:19092');
  expect(addressOf(told, 'default')).toBeUndefined();
  expect(addressOf('', 'default')).toBeUndefined();
  expect(advertised('127.0.0.1:1234', undefined)).toBe('127.0.0.1:1234');
  expect(() => advertised('127.0.0.1:1234', 'out=h:1')).toThrow('"out"');
});
