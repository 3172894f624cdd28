import { create } from '@bufbuild/protobuf';
import { assert, present } from '@weir/base/assert.ts';
import { leaseId, revision } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { Event_EventType } from '@weir/proto/etcd/kv_pb.js';
import type { Event, KeyValue as EtcdKeyValue } from '@weir/proto/etcd/kv_pb.js';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  RangeRequestSchema,
  TxnRequestSchema,
} from '@weir/proto/etcd/rpc_pb.js';
import type {
  RangeRequest as EtcdRangeRequest,
  RangeResponse,
  ResponseHeader,
  TxnRequest as EtcdTxnRequest,
  TxnResponse,
} from '@weir/proto/etcd/rpc_pb.js';
import type {
  Compare,
  KeyValue,
  Operation,
  RangePage,
  RangeRequest,
  TxnRequest,
  TxnResult,
  WatchEvent,
} from '../metadata-store.ts';

/** The port's keys, values and transactions as etcd's messages. All keys stand behind a prefix there, and only there. */
export class EtcdMessages {
  readonly #prefix: Buffer;

  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix);
  }

  key(key: string): Buffer {
    return Buffer.concat([this.#prefix, Buffer.from(key)]);
  }

  txn(request: TxnRequest): EtcdTxnRequest {
    return create(TxnRequestSchema, {
      compare: request.compare.map((compare) => this.#compare(compare)),
      success: request.success.map((operation) => this.#operation(operation)),
      failure: (request.failure ?? []).map((operation) => this.#operation(operation)),
    });
  }

  txnResult(response: TxnResponse): TxnResult {
    return {
      succeeded: response.succeeded,
      revision: revisionOf(response),
      responses: response.responses.map(({ response: one }) => {
        const found = one.case === 'responseRange' ? one.value.kvs[0] : undefined;
        return found === undefined ? undefined : this.keyValue(found);
      }),
    };
  }

  range({ prefix, after, at }: RangeRequest, limit: number): EtcdRangeRequest {
    return create(RangeRequestSchema, {
      // A page begins with the least key behind the one before.
      key: after === undefined ? this.key(prefix) : Buffer.concat([this.key(after), Buffer.from([0])]),
      rangeEnd: this.end(prefix),
      limit: BigInt(limit),
      revision: BigInt(at ?? 0),
    });
  }

  page(response: RangeResponse, { at }: RangeRequest): RangePage {
    return {
      items: response.kvs.map((item) => this.keyValue(item)),
      more: response.more,
      revision: at ?? revisionOf(response),
    };
  }

  keyValue(item: EtcdKeyValue): KeyValue {
    return {
      key: this.#keyOf(item),
      value: text(item.value),
      createRevision: revision(Number(item.createRevision)),
      modRevision: revision(Number(item.modRevision)),
      version: Number(item.version),
      ...(item.lease === 0n ? {} : { lease: leaseId(item.lease) }),
    };
  }

  event({ type, kv }: Event): WatchEvent {
    const item = present(kv, 'an event has a key');
    if (type === Event_EventType.DELETE) return { kind: 'delete', key: this.#keyOf(item) };
    return { kind: 'put', item: this.keyValue(item) };
  }

  /** The first key behind all that begin with a prefix: its last byte, which in UTF-8 is never 255, one higher. */
  end(prefix: string): Buffer {
    const end = this.key(prefix);
    end[end.length - 1]! += 1;
    return end;
  }

  #keyOf({ key }: EtcdKeyValue): string {
    assert(this.#prefix.equals(key.subarray(0, this.#prefix.length)), 'etcd answers with keys that were asked for');
    return text(key.subarray(this.#prefix.length));
  }

  #compare({ key, target, equals }: Compare): EtcdTxnRequest['compare'][number] {
    const result = Compare_CompareResult.EQUAL;
    const common = { $typeName: 'etcdserverpb.Compare' as const, key: this.key(key), result };
    const value = BigInt(equals);
    switch (target) {
      case 'version':
        return { ...common, target: Compare_CompareTarget.VERSION, targetUnion: { case: 'version', value } };
      case 'createRevision':
        return { ...common, target: Compare_CompareTarget.CREATE, targetUnion: { case: 'createRevision', value } };
      case 'modRevision':
        return { ...common, target: Compare_CompareTarget.MOD, targetUnion: { case: 'modRevision', value } };
    }
  }

  #operation(operation: Operation): EtcdTxnRequest['success'][number] {
    const key = this.key(operation.key);
    const $typeName = 'etcdserverpb.RequestOp';
    switch (operation.kind) {
      case 'get': {
        const value = create(RangeRequestSchema, { key });
        return { $typeName, request: { case: 'requestRange', value } };
      }
      case 'put': {
        const lease = BigInt(operation.lease ?? 0);
        const value = {
          $typeName: 'etcdserverpb.PutRequest',
          key,
          value: Buffer.from(operation.value),
          lease,
        } as const;
        return { $typeName, request: { case: 'requestPut', value } };
      }
      case 'delete': {
        const value = { $typeName: 'etcdserverpb.DeleteRangeRequest', key } as const;
        return { $typeName, request: { case: 'requestDeleteRange', value } };
      }
    }
  }
}

/** The revision in an answer's header. */
export function revisionOf({ header }: { readonly header?: ResponseHeader | undefined }): Revision {
  return revision(Number(present(header, 'an answer has a header').revision));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
