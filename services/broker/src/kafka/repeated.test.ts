import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eachOnce, repeated } from './repeated.ts';

const topics = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    parts: fc.array(fc.record({ index: fc.nat(40), value: fc.nat(9) }), { maxLength: 30 }),
  }),
  { maxLength: 4 },
);

test('each topic and each of its partitions comes once, as it comes last', () => {
  fc.assert(
    fc.property(topics, (asked) => {
      const model = new Map<string, Map<number, number>>();
      for (const { name, parts } of asked) {
        if (!model.has(name)) model.set(name, new Map());
        for (const { index, value } of parts) model.get(name)!.set(index, value);
      }
      const found = [
        ...eachOnce(asked, { keyOf: ({ name }) => name, partsOf: ({ parts }) => parts, indexOf: ({ index }) => index }),
      ].map(({ topic, parts }) => [topic.name, [...parts].map(({ index, value }) => [index, value])]);
      expect(found).toEqual([...model].map(([name, parts]) => [name, [...parts]]));
    }),
  );
});

test('what comes twice is repeated, once', () => {
  expect([...repeated(['a', 'b', 'a', 'c', 'a', 'c'])]).toEqual(['a', 'c']);
});
