import { expect, test } from 'vitest';
import { findBreaches } from './layers.ts';

const rules = (file: string, source: string): string[] => findBreaches(file, source).map((breach) => breach.rule);

test('a package may import what lies below it', () => {
  expect(rules('packages/log/src/a.ts', `import { assert } from '@weir/base/assert.ts';`)).toEqual([]);
  expect(rules('services/broker/src/a.ts', `import { Log } from '@weir/log/log.ts';`)).toEqual([]);
});

test('a package may not import what lies above it, or a sibling service', () => {
  expect(rules('packages/base/src/a.ts', `import { Log } from '@weir/log/log.ts';`)).toEqual([
    'base may not import log',
  ]);
  expect(rules('services/gateway/src/a.ts', `import { x } from '@weir/broker/start.ts';`)).toEqual([
    'gateway may not import broker',
  ]);
  expect(rules('packages/log/src/a.ts', `export * from '@weir/runtime/world.ts';`)).toHaveLength(1);
  expect(rules('packages/log/src/a.ts', `const m = await import('@weir/client/client.ts');`)).toContain(
    'log may not import client',
  );
});

test('a relative import may not leave the package', () => {
  expect(rules('packages/log/src/a.ts', `import { x } from '../../../test/harness.ts';`)).toHaveLength(1);
  expect(rules('packages/log/src/deep/a.ts', `import { x } from '../log.ts';`)).toEqual([]);
});

test('only the runtime, main.ts and adapters import what reaches out of the process', () => {
  for (const module of ['node:fs', 'node:net', 'node:sqlite', '@grpc/grpc-js', 'fastify', 'prom-client']) {
    const source = `import { x } from '${module}';`;
    expect(rules('services/broker/src/a.ts', source), module).toHaveLength(1);
    expect(rules('services/broker/src/main.ts', source), module).toEqual([]);
    expect(rules('services/broker/src/store/sqlite.node.ts', source), module).toEqual([]);
    expect(rules('packages/runtime/src/a.ts', source), module).toEqual([]);
  }
  expect(rules('services/broker/src/a.ts', `import type { Logger } from 'pino';`)).toEqual([]);
});

test('time, chance and the environment have to be handed in', () => {
  for (const use of [
    'Date.now()',
    'Math.random()',
    'process.env',
    'setTimeout(f, 1)',
    'new Date()',
    'performance.now()',
  ]) {
    expect(rules('services/broker/src/a.ts', `const x = ${use};`), use).toHaveLength(1);
  }
  expect(rules('services/broker/src/a.ts', `const x = { process: 1 }; x.process; new Date(5);`)).toEqual([]);
});

test('a core has no promises', () => {
  expect(rules('packages/log/src/a.ts', 'export async function f() {}')).toHaveLength(1);
  expect(rules('services/coordinator/src/controller/a.ts', 'export const p: Promise<void> = x;')).toHaveLength(1);
  expect(rules('services/coordinator/src/rpc/a.ts', 'export async function f() {}')).toEqual([]);
});

test('a file outside of every known package is reported', () => {
  expect(rules('packages/unheard-of/src/a.ts', '')).toHaveLength(1);
});

test('a name that was imported is not the global of that name', () => {
  const file = 'services/broker/src/kafka/apis.ts';
  expect(findBreaches(file, "import { fetch } from '@weir/kafka/apis/fetch.ts';\non(fetch, answer);\n")).toEqual([]);
  expect(
    findBreaches(file, "import { fetching } from '@weir/kafka/apis/fetch.ts';\non(fetch, fetching);\n"),
  ).toMatchObject([{ rule: 'fetch is the world: it has to be handed in' }]);
});
