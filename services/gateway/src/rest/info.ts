import type { GatewayContext } from '../context.ts';
import { emptyReply, jsonReply, textReply } from '../http/exchange.ts';
import type { GatewayReply } from '../http/exchange.ts';
import { HttpFailure } from '../http/failure.ts';

/** GET / */
export function info(version: string): GatewayReply {
  return jsonReply(200, {
    name: 'weir',
    version,
    // Clients of the Strimzi bridge look for this one.
    bridge_version: version,
    openapi: '/openapi.json',
    topics: '/v1/topics',
    cluster: '/v1/cluster',
  });
}

/** GET /healthy: that this is answered says all. */
export function healthy(): GatewayReply {
  return emptyReply(204);
}

/** GET /ready */
export function ready(context: GatewayContext): GatewayReply {
  const why = context.notReady();
  if (why !== undefined) throw new HttpFailure('NOT_READY', `not ready: ${why}`);
  return emptyReply(204);
}

/** GET /metrics */
export async function metrics(context: GatewayContext): Promise<GatewayReply> {
  return textReply(200, context.registry.contentType, await context.registry.metrics());
}
