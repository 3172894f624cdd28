import { create } from '@bufbuild/protobuf';
import { refusal, WeirError } from '@weir/base/errors.ts';
import { characters } from '@weir/base/characters.ts';
import { CLIENT_NAME_LENGTH_MAX, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import {
  BeginSessionResponseSchema,
  EndSessionResponseSchema,
  TouchSessionResponseSchema,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type {
  BeginSessionRequest,
  BeginSessionResponse,
  EndSessionRequest,
  EndSessionResponse,
  TouchSessionRequest,
  TouchSessionResponse,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NamespaceHost } from '../namespace-host.ts';
import { NOT_CONFIRMED } from './office.ts';

/** Answers BeginSession. Rejects with a WeirError when there can be none. */
export function beginSession(namespace: NamespaceHost, { name }: BeginSessionRequest): Promise<BeginSessionResponse> {
  return new Promise((resolve, reject) => {
    if (characters(name) > CLIENT_NAME_LENGTH_MAX) {
      throw new WeirError('INVALID_REQUEST', `a client's name has at most ${CLIENT_NAME_LENGTH_MAX} characters`);
    }
    namespace.open({ name, gateway: undefined }, (opened) => {
      if (typeof opened !== 'string') return reject(new WeirError(opened.code, opened.message));
      const owner = BigInt(namespace.ownerOf(opened));
      resolve(create(BeginSessionResponseSchema, { sessionId: opened, timeoutMs: SESSION_TIMEOUT_MS, owner }));
    });
  });
}

/**
 * Answers TouchSession, of whichever session: one that has a stream lives by both, and one whose stream broke has come back.
 *
 * @throws WeirError SESSION_EXPIRED when it has ended, NOT_CONTROLLER when only another coordinator can know
 */
export function touchSession(namespace: NamespaceHost, { sessionId }: TouchSessionRequest): TouchSessionResponse {
  if (!namespace.heartbeat(sessionId)) {
    // The tenure may have ended since the call was let in: then nobody may be told that a session has.
    const { code, message } = namespace.holds ? EXPIRED : NOT_CONFIRMED;
    throw new WeirError(code, message);
  }
  const owner = BigInt(namespace.ownerOf(sessionId));
  return create(TouchSessionResponseSchema, { timeoutMs: SESSION_TIMEOUT_MS, owner });
}

/** Answers EndSession. Rejects with a WeirError when it could not be ended. */
export function endSession(namespace: NamespaceHost, { sessionId }: EndSessionRequest): Promise<EndSessionResponse> {
  return new Promise((resolve, reject) => {
    namespace.endByCall(sessionId, (refused) => {
      if (refused === undefined) resolve(create(EndSessionResponseSchema));
      else reject(new WeirError(refused.code, refused.message));
    });
  });
}

const EXPIRED = refusal('SESSION_EXPIRED', 'the session has ended: open a new one, and create its nodes again');
