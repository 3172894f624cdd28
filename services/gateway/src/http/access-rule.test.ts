import { expect, test } from 'vitest';
import { accessProblem, crossOriginHeaders } from './access-rule.ts';

const loopback = { loopback: true, allowedOrigins: new Set(['https://app.example.com']) };
const open = { loopback: false, allowedOrigins: new Set<string>() };

test.each([
  ['127.0.0.1:8080', undefined],
  ['localhost:8080', undefined],
  ['[::1]:8080', undefined],
  ['localhost:8080', 'http://localhost:8080'],
  ['LOCALHOST:8080', 'http://localhost:8080'],
  ['127.0.0.1:8080', 'https://app.example.com'],
])('on loopback, Host %s with Origin %s is welcome', (host, origin) => {
  expect(accessProblem(loopback, host, origin)).toBeUndefined();
});

test.each([
  ['evil.example:8080', undefined, 'FOREIGN_HOST'],
  ['127.0.0.1.evil.example', undefined, 'FOREIGN_HOST'],
  [undefined, undefined, 'FOREIGN_HOST'],
  ['evil.example:8080', 'http://evil.example:8080', 'FOREIGN_HOST'],
  ['localhost:8080', 'http://localhost:3000', 'FOREIGN_ORIGIN'],
  ['localhost:8080', 'null', 'FOREIGN_ORIGIN'],
  ['localhost:8080', 'https://app.example.com.evil.example', 'FOREIGN_ORIGIN'],
  ['localhost:8080', 'file://localhost:8080', 'FOREIGN_ORIGIN'],
])('on loopback, Host %s with Origin %s is %s', (host, origin, code) => {
  expect(accessProblem(loopback, host, origin)?.code).toBe(code);
});

test('off loopback any host name is fine, a foreign origin is not', () => {
  expect(accessProblem(open, 'weir.example.com', undefined)).toBeUndefined();
  expect(accessProblem(open, 'weir.example.com', 'https://weir.example.com')).toBeUndefined();
  expect(accessProblem(open, 'weir.example.com', 'https://app.example.com')?.code).toBe('FOREIGN_ORIGIN');
});

test('only a listed origin gets the headers that let it read an answer', () => {
  expect(crossOriginHeaders(loopback, 'https://app.example.com')).toMatchObject({
    'access-control-allow-origin': 'https://app.example.com',
  });
  expect(crossOriginHeaders(loopback, 'http://localhost:8080')).toBeUndefined();
  expect(crossOriginHeaders(open, undefined)).toBeUndefined();
});
