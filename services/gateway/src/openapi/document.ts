import { NODE_PATH_BYTES_MAX } from '@weir/base/limits.ts';
import type { Operation, Route } from '../route.ts';
import { GROUP, PARTITION, TOPIC, USERS_TOPIC } from './schema-parts.ts';
import { ref, SCHEMAS } from './schemas.ts';
import type { SchemaName } from './schemas.ts';

/** The OpenAPI 3.1 document of a route table: routes and document cannot differ, for one is made from the other. */
export function openApiDocument(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    // OpenAPI has no parameter that takes several segments: the description says that this one does.
    const path = (paths[route.path.replace('{+', '{')] ??= {});
    path[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Weir gateway',
      version,
      description:
        'Weir over HTTP: /v1 is pleasant with curl, the other routes speak the dialect of the Strimzi Kafka bridge. ' +
        '64-bit integers are never rounded. Every error is {error_code, code, message}.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: [
      { name: 'records', description: 'Produce, read and follow.' },
      { name: 'topics', description: 'Topics and the cluster.' },
      { name: 'groups', description: 'Consumer groups, their lag, and their records in one call.' },
      { name: 'tree', description: 'The namespace: a tree of small nodes, with versions, sessions and watches.' },
      { name: 'v2', description: 'The dialect of the Strimzi Kafka bridge.' },
      { name: 'consumers', description: 'Consumers of groups, in the dialect of the Strimzi Kafka bridge.' },
      { name: 'operation', description: 'Probes, metrics and this document.' },
    ],
    paths,
    components: {
      schemas: SCHEMAS,
      responses: {
        Error: { description: 'What was wrong, what was expected and what to do.', content: json('Error') },
      },
    },
  };
}

function operationOf({ method, path, operation }: Route): Record<string, unknown> {
  const inPath = [...path.matchAll(/\{\+?(\w+)\}/g)].map((match) => ({
    name: match[1]!,
    in: 'path',
    required: true,
    ...PATH_PARAMETERS[match[1]!],
    ...(match[1] === 'topic' && method !== 'GET' ? { schema: USERS_TOPIC } : {}),
  }));
  const inQuery = (operation.parameters ?? []).map(({ name, description, schema, from, required = false }) => ({
    name,
    in: from ?? 'query',
    required,
    description,
    schema,
  }));
  const parameters = [...inPath, ...inQuery];
  const responses: Record<string, unknown> = {};
  for (const [status, response] of Object.entries(operation.responses)) responses[status] = responseOf(response);
  responses['default'] = { $ref: '#/components/responses/Error' };
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.request === undefined
      ? {}
      : { requestBody: { required: operation.bodyMayBeAbsent !== true, content: mediaTypes(operation.request) } }),
    responses,
  };
}

function responseOf({ description, content, headers, links = [] }: Operation['responses'][number]): object {
  const linked = links.flatMap(({ operations, parameters }) =>
    operations.map((operationId) => [operationId, { operationId, parameters }] as const),
  );
  return {
    description,
    ...(headers === undefined ? {} : { headers }),
    ...(content === undefined ? {} : { content: mediaTypes(content) }),
    ...(linked.length === 0 ? {} : { links: Object.fromEntries(linked) }),
  };
}

const PATH_PARAMETERS: Readonly<Record<string, object>> = {
  topic: { schema: TOPIC },
  partition: { schema: PARTITION },
  group: { schema: GROUP },
  instance: { schema: GROUP },
  path: {
    description: 'The node, as a/b: "/" stands between names, and a name\'s own characters are percent-encoded.',
    schema: { type: 'string', minLength: 1, maxLength: NODE_PATH_BYTES_MAX - 1, not: { enum: ['.', '..'] } },
  },
};

function mediaTypes(content: Readonly<Record<string, unknown>>): Record<string, { schema: unknown }> {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
}

function json(name: SchemaName): Record<string, { schema: unknown }> {
  return { 'application/json': { schema: ref(name) } };
}
