import { expect, test } from 'vitest';
import { isVersionAtLeast } from './version.ts';

test.each([
  ['3.6.11', true],
  ['3.6.16', true],
  ['3.10.0', true],
  ['4.0', true],
  ['3.7.0-rc.0', true],
  ['3.6.10', false],
  ['3.6.9', false],
  ['3.5.99', false],
  ['3.6', false],
  ['', false],
  ['newest', false],
])('etcd %j is at least 3.6.11: %s', (version, isEnough) => {
  expect(isVersionAtLeast(version, '3.6.11')).toBe(isEnough);
});
