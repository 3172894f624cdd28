import { expect, test } from 'vitest';
import { NODE_OPERATIONS_MAX } from '@weir/base/limits.ts';
import { operationsFromJson } from './operations-json.ts';

const problems = (value: unknown): readonly string[] => {
  const found = operationsFromJson(value);
  return 'problems' in found ? found.problems : [];
};

test('every kind of operation is taken, with data as text or as bytes', () => {
  const found = operationsFromJson([
    { kind: 'create', path: '/a' },
    { kind: 'create', path: '/b-', data: 'ä', ephemeral: true, sequential: true },
    { kind: 'set', path: '/a', data: '/w==', encoding: 'base64', version: 0 },
    { kind: 'delete', path: '/a', version: 0xffff_ffff },
    { kind: 'check', path: '/c' },
  ]);
  expect(found).toEqual({
    operations: [
      { kind: 'create', path: '/a', data: Buffer.from(''), ephemeral: false, sequential: false },
      { kind: 'create', path: '/b-', data: Buffer.from('ä'), ephemeral: true, sequential: true },
      { kind: 'set', path: '/a', data: Buffer.from([0xff]), version: 0 },
      { kind: 'delete', path: '/a', version: 0xffff_ffff },
      { kind: 'check', path: '/c' },
    ],
  });
});

test('all that is wrong is told, with the operation that it is wrong with', () => {
  const told = problems([
    { kind: 'check', path: '/fits' },
    { kind: 'set', path: 1, version: 1.5 },
    { kind: 'delete', path: '/a', data: 'x' },
    'create',
  ]);
  expect(told).toHaveLength(5);
  expect(told.map((problem) => /^operation (\d):/.exec(problem)?.[1])).toEqual(['1', '1', '1', '2', '3']);
});

test.each(['/w=', '/w', '*w==', 'a b='])(
  'data that is not base64 (%j) is refused, and not taken for what is left of it',
  (data) => {
    const operation = { kind: 'set', path: '/a', data };
    expect(problems([{ ...operation, encoding: 'base64' }])).toEqual([
      'operation 0: "data" is not base64, as its "encoding" says',
    ]);
    expect(problems([operation])).toEqual([]);
  },
);

test.each([-1, 0x1_0000_0000, '0', null])('%j is no version', (version) => {
  expect(problems([{ kind: 'check', path: '/a', version }])).toHaveLength(1);
});

test('as many operations as the coordinator takes are taken, and not one more', () => {
  const many = (count: number) => Array.from({ length: count }, () => ({ kind: 'check', path: '/a' }));
  expect(problems(many(NODE_OPERATIONS_MAX))).toEqual([]);
  expect(problems(many(NODE_OPERATIONS_MAX + 1))).toHaveLength(1);
  expect(problems([])).toHaveLength(1);
});
