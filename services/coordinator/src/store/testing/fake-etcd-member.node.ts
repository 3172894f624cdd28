import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import {
  KV,
  Maintenance,
  RangeResponseSchema,
  StatusResponseSchema,
  TxnResponseSchema,
} from '@weir/proto/etcd/rpc_pb.js';
import { parseEndpoints } from '../etcd/endpoints.ts';
import type { EtcdEndpoint } from '../etcd/endpoints.ts';

/** What a fake member does with a request: answers it, fails with a status, or says nothing. */
export type Behaviour = 'answer' | 'silence' | { readonly code: number; readonly details: string };

/** A server that speaks as much of etcd as is needed to misbehave as etcd does; etcd itself is in test/etcd. */
export class FakeMember {
  version = '3.6.16';
  clusterId = 1n;
  behaviour: Behaviour = 'answer';
  /** Requests that came, less those for its status. */
  readonly requests: string[] = [];
  readonly #server = new Server();
  #port = 0;

  static async start(port = 0): Promise<FakeMember> {
    const member = new FakeMember();
    await member.#listen(port);
    return member;
  }

  get endpoint(): EtcdEndpoint {
    return parseEndpoints(`http://127.0.0.1:${this.#port}`)[0]!;
  }

  /** Goes away, cutting whoever is connected. */
  stop(): void {
    this.#server.forceShutdown();
  }

  #listen(port: number): Promise<void> {
    const header = { clusterId: this.clusterId, memberId: 1n, revision: 7n, raftTerm: 1n };
    const headerNow = () =>
      ({ $typeName: 'etcdserverpb.ResponseHeader', ...header, clusterId: this.clusterId }) as const;
    this.#on(Maintenance.method.status, StatusResponseSchema, (answer) =>
      answer(create(StatusResponseSchema, { header: headerNow(), version: this.version })),
    );
    this.#on(KV.method.txn, TxnResponseSchema, (answer, fail) =>
      this.#behave('txn', fail, () => answer(create(TxnResponseSchema, { header: headerNow(), succeeded: true }))),
    );
    this.#on(KV.method.range, RangeResponseSchema, (answer, fail) =>
      this.#behave('range', fail, () => answer(create(RangeResponseSchema, { header: headerNow() }))),
    );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        this.#port = bound;
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  #behave(name: string, fail: (status: { code: number; details: string }) => void, answer: () => void): void {
    this.requests.push(name);
    if (this.behaviour === 'answer') answer();
    else if (this.behaviour !== 'silence') fail(this.behaviour);
  }

  #on<O extends DescMessage>(
    method: DescMethod,
    output: O,
    handle: (
      answer: (response: MessageShape<O>) => void,
      fail: (status: { code: number; details: string }) => void,
    ) => void,
  ): void {
    this.#server.register(
      `/${method.parent.typeName}/${method.name}`,
      (_call: unknown, callback: (error: object | null, response?: MessageShape<O>) => void) =>
        handle(
          (response) => callback(null, response),
          (status) => callback(status),
        ),
      (response: MessageShape<O>) => Buffer.from(toBinary(output, response)),
      (bytes: Buffer) => fromBinary(method.input, bytes),
      'unary',
    );
  }
}
