import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Refusal } from '@weir/base/errors.ts';
import type { Revision } from '@weir/base/ids.ts';
import {
  NodeEventKind,
  NodeSchema,
  WatchKind,
  WatchResponseSchema,
} from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { Node, NodeEventSchema, WatchResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NodeEvent, NodeView } from '../namespace/node.ts';
import type { WatchKind as Kind } from '../namespace/watches.ts';

/** A node as a message. */
export function nodeMessage(node: NodeView, { withData }: { readonly withData: boolean }): Node {
  const { path, stat, data } = node;
  return create(NodeSchema, {
    path,
    ...(withData ? { data: data() } : {}),
    createRevision: BigInt(stat.createRevision),
    modRevision: BigInt(stat.modRevision),
    version: stat.version,
    childrenVersion: BigInt(stat.childrenVersion),
    childCount: stat.childCount,
    ephemeralOwner: BigInt(stat.ephemeralOwner),
  });
}

/** What is watched; undefined for what a newer client knows and we do not. */
export function watchKindOf(kind: WatchKind): Kind | undefined {
  switch (kind) {
    case WatchKind.DATA:
      return 'data';
    case WatchKind.CHILDREN:
      return 'children';
    case WatchKind.RECURSIVE:
      return 'recursive';
    case WatchKind.UNSPECIFIED:
      return undefined;
    default:
      return undefined;
  }
}

/** The watch stands. */
export function watchStartedMessage(watchId: number, revision: Revision): WatchResponse {
  return create(WatchResponseSchema, { watchId, response: { case: 'started', value: { revision: BigInt(revision) } } });
}

/** Changes of one revision. */
export function watchEventsMessage(
  watchId: number,
  batch: { readonly revision: Revision; readonly events: readonly NodeEvent[]; readonly complete: boolean },
  { withData }: { readonly withData: boolean },
): WatchResponse {
  const { revision, complete } = batch;
  const events = batch.events.map((event) => eventMessage(event, withData));
  return create(WatchResponseSchema, {
    watchId,
    response: { case: 'events', value: { revision: BigInt(revision), events, complete } },
  });
}

/** Everything up to the revision was sent. */
export function watchProgressMessage(watchId: number, revision: Revision): WatchResponse {
  return create(WatchResponseSchema, {
    watchId,
    response: { case: 'progress', value: { revision: BigInt(revision) } },
  });
}

/** The watch is over. */
export function watchEndedMessage(watchId: number, { code, message }: Refusal, oldest: number): WatchResponse {
  const value = { code, message, oldestRevision: BigInt(oldest) };
  return create(WatchResponseSchema, { watchId, response: { case: 'ended', value } });
}

const EVENT_KINDS: Readonly<Record<NodeEvent['kind'], NodeEventKind>> = {
  created: NodeEventKind.CREATED,
  changed: NodeEventKind.CHANGED,
  deleted: NodeEventKind.DELETED,
};

function eventMessage(event: NodeEvent, withData: boolean): MessageInitShape<typeof NodeEventSchema> {
  const { path } = event;
  const kind = EVENT_KINDS[event.kind];
  return event.kind === 'deleted' ? { kind, path } : { kind, path, node: nodeMessage(event.node, { withData }) };
}
