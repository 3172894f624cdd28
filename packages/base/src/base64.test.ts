import { expect, test } from 'vitest';
import { bytesOfBase64 } from './base64.ts';

test.each([0, 1, 2, 3, 4, 255])('%i bytes come back as they were', (length) => {
  const bytes = Buffer.from(Array.from({ length }, (_, index) => (index * 37) % 256));
  expect(bytesOfBase64(bytes.toString('base64'))).toEqual(bytes);
});

test.each(['a', 'ab', 'abc', 'ab=c', 'a===', '====', 'ab c', 'ab-_', 'äbcd', 'abcd\n'])('%j is not base64', (text) => {
  expect(bytesOfBase64(text)).toBeUndefined();
});
