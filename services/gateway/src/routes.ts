import { rawJsonReply } from './http/exchange.ts';
import { openApiDocument } from './openapi/document.ts';
import { ref } from './openapi/schemas.ts';
import { healthy, info, metrics, ready } from './rest/info.ts';
import type { Operation, Route } from './route.ts';
import { routesConsumers } from './routes-consumers.ts';
import { routesGroups } from './routes-groups.ts';
import { routesTree } from './routes-tree.ts';
import { routesV1 } from './routes-v1.ts';
import { routesV2 } from './routes-v2.ts';

/** Every route of the gateway, in the order in which the OpenAPI document shows them. */
export function allRoutes(version: string): readonly Route[] {
  const routes: Route[] = [
    ...routesV1,
    ...routesGroups,
    ...routesTree,
    ...routesV2,
    ...routesConsumers,
    ...operationRoutes(version),
  ];
  let text: string | undefined;
  const handle = (): ReturnType<Route['handle']> =>
    rawJsonReply(200, (text ??= `${JSON.stringify(openApiDocument(routes, version))}\n`));
  routes.push({ method: 'GET', path: '/openapi', handle, operation: openapi('openapi') });
  routes.push({ method: 'GET', path: '/openapi.json', handle, operation: openapi('openapiJson') });
  return routes;
}

function openapi(id: string): Operation {
  return {
    id,
    tag: 'operation',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { type: 'object' } } } },
  };
}

function operationRoutes(version: string): Route[] {
  return [
    {
      method: 'GET',
      path: '/',
      handle: () => info(version),
      operation: {
        id: 'info',
        tag: 'operation',
        summary: 'What this is',
        responses: { 200: { description: 'Name and version.', content: { 'application/json': ref('Info') } } },
      },
    },
    {
      method: 'GET',
      path: '/healthy',
      handle: () => healthy(),
      operation: {
        id: 'healthy',
        tag: 'operation',
        summary: 'Is it alive?',
        responses: { 204: { description: 'Yes.' } },
      },
    },
    {
      method: 'GET',
      path: '/ready',
      handle: (context) => ready(context),
      operation: {
        id: 'ready',
        tag: 'operation',
        summary: 'Can it serve?',
        responses: { 204: { description: 'Yes.' } },
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      handle: (context) => metrics(context),
      operation: {
        id: 'metrics',
        tag: 'operation',
        summary: 'Prometheus metrics',
        responses: { 200: { description: 'Metrics.', content: { 'text/plain': { type: 'string' } } } },
      },
    },
  ];
}
