import { expect, test } from 'vitest';
import { valuesTable } from './values-table.ts';

test('a comment describes the key below it, over several lines and with its default', () => {
  const table = valuesTable(`
# What a chart is about, and no description.
image:
  # -- Where it is,
  # with | its registry.
  repository: weir
  # -- Secrets.
  pullSecrets: [{ name: a }]
`);
  expect(table.split('\n').slice(2, -1)).toEqual([
    '| `image.repository` | `"weir"` | Where it is, with \\| its registry. |',
    '| `image.pullSecrets` | `[{"name":"a"}]` | Secrets. |',
  ]);
});

test('what is below a described key needs no description of its own', () => {
  const table = valuesTable('# -- How often.\nprobe:\n  periodSeconds: 1\nother:\n  # -- Yes.\n  on: true\n');
  expect(table).toContain('| `probe` | `{"periodSeconds":1}` | How often. |');
  expect(table).not.toContain('periodSeconds`');
  expect(table).toContain('| `other.on` | `true` | Yes. |');
});

test('a key that nothing describes is named', () => {
  expect(() => valuesTable('# -- Yes.\na: 1\nb:\n  c: 2\n')).toThrow('says nothing about b, b.c');
});
