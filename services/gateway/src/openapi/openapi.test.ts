import { fastify } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allRoutes } from '../routes.ts';
import { startTestGateway } from '../testing/test-gateway.ts';
import type { TestGateway } from '../testing/test-gateway.ts';
import { SCHEMAS } from './schemas.ts';

/** The replies that the document promises, as a call and the name of what comes back. */
const CALLS: readonly [string, string, string?][] = [
  ['GET', '/'],
  ['GET', '/v1/cluster'],
  ['GET', '/v1/topics'],
  ['GET', '/v1/topics/orders'],
  ['POST', '/v1/topics', '{"name":"made"}'],
  ['POST', '/v1/topics/orders/records', '[1,"a",null]'],
  ['POST', '/v1/topics/many/records?key=%C3%BF', '1'],
  ['GET', '/v1/topics/orders/records'],
  ['GET', '/v1/topics/many/records'],
  ['DELETE', '/v1/topics/gone'],
  ['DELETE', '/v1/topics/orders/partitions/0/records?before=0'],
  ['GET', '/v1/tree'],
  ['POST', '/v1/tree/a%2Fb', 'data'],
  ['GET', '/v1/tree/a%2Fb?children=true'],
  ['PUT', '/v1/tree/a%2Fb?version=0', 'more'],
  ['PUT', '/v1/tree/c', 'new'],
  ['DELETE', '/v1/tree/a%2Fb'],
  ['POST', '/v1/tree', '[{"kind":"create","path":"/d"},{"kind":"delete","path":"/d"},{"kind":"create","path":"/e"}]'],
  ['POST', '/v1/sessions', '{"name":"a test"}'],
  ['POST', '/v1/sessions/heartbeat'],
  ['DELETE', '/v1/sessions'],
  ['GET', '/topics'],
  ['GET', '/topics/orders'],
  ['POST', '/topics/orders', '{"records":[{"value":1},{"value":1,"partition":5}]}'],
  ['GET', '/topics/orders/partitions'],
  ['GET', '/topics/orders/partitions/0'],
  ['POST', '/topics/orders/partitions/0', '{"records":[{"value":1,"headers":[{"key":"a","value":"/w=="}]}]}'],
  ['GET', '/topics/orders/partitions/0/offsets'],
  ['POST', '/admin/topics', '{"topic_name":"made-too"}'],
  ['POST', '/v1/groups/h/offsets', '{"topic":"orders","to":"latest"}'],
  ['GET', '/v1/groups/h/records?topics=orders,many&wait=0&limit=10'],
  ['POST', '/v1/groups/h/commit'],
  ['GET', '/v1/groups'],
  ['GET', '/v1/groups/h'],
  ['DELETE', '/v1/groups/h'],
  ['POST', '/consumers/g', '{"name":"c","auto.offset.reset":"earliest","format":"json"}'],
  ['POST', '/consumers/g/instances/c/assignments', '{"partitions":[{"topic":"orders","partition":0}]}'],
  ['GET', '/consumers/g/instances/c/assignments'],
  ['DELETE', '/consumers/g/instances/c/subscription'],
  ['POST', '/consumers/g/instances/c/subscription', '{"topics":["orders","many"]}'],
  ['GET', '/consumers/g/instances/c/subscription'],
  ['GET', '/consumers/g/instances/c/records?timeout=0&max_bytes=100000'],
  ['POST', '/consumers/g/instances/c/offsets', '{"offsets":[{"topic":"orders","partition":0,"offset":1}]}'],
  ['GET', '/consumers/g/instances/c/offsets'],
  ['POST', '/consumers/g/instances/c/offsets/committed', '{"partitions":[{"topic":"orders","partition":0}]}'],
  ['POST', '/consumers/g/instances/c/positions', '{"offsets":[{"topic":"orders","partition":0,"offset":0}]}'],
  ['POST', '/consumers/g/instances/c/positions/beginning', '{"partitions":[{"topic":"orders","partition":0}]}'],
  ['POST', '/consumers/g/instances/c/positions/end', '{"partitions":[{"topic":"orders","partition":0}]}'],
  ['DELETE', '/consumers/g/instances/c'],
  ['GET', '/openapi'],
  ['GET', '/openapi.json'],
  ['GET', '/healthy'],
  ['GET', '/ready'],
  ['GET', '/metrics'],
];
/** Answered by streams; their own tests look at them. */
const STREAMED = ['GET /v1/topics/{topic}/stream'];

let gateway: TestGateway;
let document: any;
/** The validator that Fastify brings along. */
const validator = fastify({
  ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false, allErrors: true } },
});

beforeAll(async () => {
  gateway = await startTestGateway();
  gateway.client.addTopic('gone', 1);
  document = await (await fetch(`${gateway.url}/openapi.json`)).json();
  // Fastify makes its validator when it has a schema to check.
  validator.get('/', { schema: { querystring: { type: 'object' } } }, () => 'ok');
  await validator.ready();
});
afterAll(() => gateway.stop());

function templateOf(path: string): string {
  return path
    .split('?', 1)[0]!
    .replace(/(topics\/)(orders|many|gone)/, '$1{topic}')
    .replace(/(groups\/)h/, '$1{group}')
    .replace(/(consumers\/)g/, '$1{group}')
    .replace(/(instances\/)c/, '$1{instance}')
    .replace(/(partitions\/)0/, '$1{partition}')
    .replace(/(tree\/).+/, '$1{path}');
}

function problemsWith(schema: unknown, value: unknown): unknown {
  const whole = { allOf: [schema], components: document.components };
  const validate = validator.validatorCompiler!({ schema: whole, method: 'GET', url: '/', httpPart: 'body' });
  return validate(value) === true ? undefined : (validate as { errors?: unknown }).errors;
}

test('every route is in the document, and nothing else is', () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  const documented = Object.entries(document.paths as Record<string, object>).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.toSorted()).toEqual(
    allRoutes('0')
      .map(({ method, path }) => `${method} ${path.replace('{+', '{')}`)
      .toSorted(),
  );
});

test('operation ids are unique, and every reference leads somewhere', () => {
  const ids = Object.values(document.paths as Record<string, Record<string, { operationId: string }>>)
    .flatMap((operations) => Object.values(operations))
    .map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  for (const [, name] of references) expect(Object.keys(SCHEMAS)).toContain(name);
});

test('links lead to operations, and to parameters that they have', () => {
  const operations = Object.values(document.paths as Record<string, Record<string, any>>).flatMap((path) =>
    Object.values(path),
  );
  const links = operations.flatMap(({ responses }) =>
    Object.values(responses as Record<string, { links?: object }>).flatMap((response) =>
      Object.values((response.links ?? {}) as Record<string, { operationId: string; parameters: object }>),
    ),
  );
  expect(links.length).toBeGreaterThan(0);
  for (const { operationId, parameters } of links) {
    const target = operations.find((operation) => operation.operationId === operationId);
    expect(target, operationId).toBeDefined();
    const names = target.parameters.flatMap((one: { in: string; name: string }) => [one.name, `${one.in}.${one.name}`]);
    for (const name of Object.keys(parameters)) expect(names).toContain(name);
  }
});

test('every route is called below', () => {
  const called = CALLS.map(([method, path]) => `${method} ${templateOf(path)}`);
  expect([...new Set([...called, ...STREAMED])].toSorted()).toEqual(
    allRoutes('0')
      .map(({ method, path }) => `${method} ${path.replace('{+', '{')}`)
      .toSorted(),
  );
});

test.each(CALLS)('the reply to %s %s is what the document says', async (method, path, body) => {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { 'weir-session': 'session 1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  });
  const operation = document.paths[templateOf(path)][method.toLowerCase()];
  const promised = operation.responses[response.status];
  expect(promised, `status ${response.status}`).toBeDefined();
  const type = response.headers.get('content-type')?.split(';', 1)[0] ?? 'none';
  const answer = await response.text();
  expect(Object.keys(promised.content ?? { none: {} })).toContain(type);
  expect(
    type === 'application/json' ? problemsWith(promised.content[type].schema, JSON.parse(answer)) : undefined,
  ).toBe(undefined);
});

test('the validator itself can say no', () => {
  const { schema } = document.paths['/v1/topics'].get.responses['200'].content['application/json'];
  expect(problemsWith(schema, { topics: [{ name: 1 }] })).toBeDefined();
  expect(problemsWith(schema, { topics: [], more: 1 })).toBeDefined();
});

test.each([
  ['GET', '/v1/topics/nope'],
  ['GET', '/v1/topics/orders/records?offset=-1'],
  ['POST', '/topics/orders'],
  ['DELETE', '/v1/topics'],
  ['GET', '/nothing'],
])('the error of %s %s is an Error', async (method, path) => {
  const response = await fetch(`${gateway.url}${path}`, { method });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(problemsWith({ $ref: '#/components/schemas/Error' }, await response.json())).toBeUndefined();
});
