import { characters } from '@weir/base/characters.ts';
import { CLIENT_NAME_LENGTH_MAX } from '@weir/base/limits.ts';
import type { CalledSession } from '@weir/client/namespace/namespace-client.ts';
import type { GatewayContext } from '../context.ts';
import { emptyReply, jsonReply } from '../http/exchange.ts';
import type { GatewayReply, GatewayRequest } from '../http/exchange.ts';
import { HttpFailure, invalidBody } from '../http/failure.ts';
import { parseBody } from '../json/body-shape.ts';

/** Where a session's id travels: whoever has it may act for the session, so that it is in no address and no log of them. */
export const SESSION_HEADER = 'weir-session';

/** POST /v1/sessions: a session that is kept by heartbeats, by way of whichever gateway. */
export async function openSession(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  const { name = 'http' } = request.body.length === 0 ? {} : parseBody(request.body, { name: { type: 'string' } });
  if (characters(name) > CLIENT_NAME_LENGTH_MAX) {
    throw invalidBody([`"name" has at most ${CLIENT_NAME_LENGTH_MAX} characters`]);
  }
  const session = await context.client.namespace.beginCalledSession(name);
  return jsonReply(201, { session: session.id, ...livesJson(session) });
}

/** POST /v1/sessions/heartbeat */
export async function keepSession(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  return jsonReply(200, livesJson(await context.client.namespace.touchCalledSession(neededSession(request))));
}

/** DELETE /v1/sessions: ends it, and its nodes with it. */
export async function endSession(context: GatewayContext, request: GatewayRequest): Promise<GatewayReply> {
  request.query.allow([]);
  await context.client.namespace.endCalledSession(neededSession(request));
  return emptyReply(204);
}

/** The session that a request names, if it names one. */
export function sessionOf({ headers }: GatewayRequest): { readonly id: string } | undefined {
  const value = headers[SESSION_HEADER];
  return typeof value === 'string' && value !== '' ? { id: value } : undefined;
}

function neededSession(request: GatewayRequest): string {
  const session = sessionOf(request);
  if (session !== undefined) return session.id;
  throw new HttpFailure(
    'INVALID_REQUEST',
    'the header Weir-Session is missing: it has what POST /v1/sessions answered',
  );
}

function livesJson({ timeoutMs, owner }: CalledSession): object {
  return { timeout_ms: timeoutMs, owner };
}
