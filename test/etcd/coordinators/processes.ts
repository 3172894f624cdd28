import { create } from '@bufbuild/protobuf';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetNodeRequestSchema, NamespaceService } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import { grpcTransport } from '@weir/runtime/grpc-transport.ts';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import { freePorts } from '../../harness/free-ports.ts';
import { Proxy } from '../../harness/proxy.ts';
import { WeirChild } from '../../harness/weir-child.ts';
import type { EtcdCluster } from '../members.ts';

const GET = protobufMethod(NamespaceService.method.getNode);
const START_MS_MAX = 30_000;

/** A coordinator process, over restarts. */
export interface CoordinatorProcess {
  readonly id: number;
  /** Where clients and the other coordinators look for it. */
  readonly address: string;
  /** From it to each member of etcd. */
  readonly toEtcd: readonly Proxy[];
  /** From others to it; undefined where they reach it directly. */
  readonly front: Proxy | undefined;
  child: WeirChild;
}

/** Several coordinators on one etcd. */
export class CoordinatorProcesses {
  readonly all: readonly CoordinatorProcess[];
  readonly #words: ReadonlyMap<CoordinatorProcess, readonly string[]>;

  private constructor(words: ReadonlyMap<CoordinatorProcess, readonly string[]>) {
    this.all = [...words.keys()];
    this.#words = words;
  }

  /**
   * Starts them; returns once one is active.
   *
   * @param isIsolatable - each is reached by way of a proxy, so that it can be cut off
   */
  static async start(
    etcd: EtcdCluster,
    {
      count,
      prefix,
      isIsolatable,
    }: { readonly count: number; readonly prefix: string; readonly isIsolatable: boolean },
  ): Promise<CoordinatorProcesses> {
    const ports = await freePorts(count);
    const words = new Map<CoordinatorProcess, readonly string[]>();
    for (const [i, port] of ports.entries()) {
      const listen = `127.0.0.1:${port}`;
      const toEtcd = await Promise.all(etcd.endpoints.map(({ address }) => Proxy.start(address)));
      const front = isIsolatable ? await Proxy.start(listen) : undefined;
      const address = front?.address ?? listen;
      const store = `etcd:${toEtcd.map((proxy) => `http://${proxy.address}`).join(',')}`;
      const options = {
        id: String(i + 1),
        store,
        'etcd-prefix': prefix,
        'grpc-listen': listen,
        'grpc-advertise': address,
        'ops-listen': '127.0.0.1:0',
      };
      const own = ['coordinator', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])];
      words.set({ id: i + 1, address, toEtcd, front, child: new WeirChild(own) }, own);
    }
    const coordinators = new CoordinatorProcesses(words);
    await coordinators.untilActive(coordinators.all);
    return coordinators;
  }

  get addresses(): readonly string[] {
    return this.all.map(({ address }) => address);
  }

  /** The one that answers; undefined while none does. */
  async active(among: readonly CoordinatorProcess[] = this.all): Promise<CoordinatorProcess | undefined> {
    const answers = await Promise.all(among.map(async (one) => ((await answersReads(one.address)) ? one : undefined)));
    return answers.find((one) => one !== undefined);
  }

  /** Waits until one of some answers. */
  async untilActive(among: readonly CoordinatorProcess[], withinMs = START_MS_MAX): Promise<CoordinatorProcess> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const found = await this.active(among);
      if (found !== undefined) return found;
      if (performance.now() > untilMs) {
        throw new Error(`none was active within ${withinMs} ms\n${this.report()}`);
      }
      await sleep(5);
    }
  }

  /** What each has printed last. */
  report(): string {
    return this.all.map(({ id, child }) => `coordinator ${id}:\n${child.output.slice(-3_000)}`).join('\n');
  }

  /** Starts one again that has ended. */
  again(one: CoordinatorProcess): void {
    one.child = new WeirChild(this.#words.get(one)!);
  }

  /** Waits until all stand by or lead. */
  async untilReady(): Promise<void> {
    for (const { child } of this.all) {
      await child.ready(() => (/stands by for|active for cluster/.test(child.output) ? true : undefined), START_MS_MAX);
    }
  }

  async stop(): Promise<void> {
    for (const { child, toEtcd, front } of this.all) {
      child.signal('SIGCONT');
      await child.end('SIGKILL');
      for (const proxy of toEtcd) proxy.stop();
      front?.stop();
    }
  }
}

/** Whether a coordinator says of itself that it is the active one. */
async function answersReads(address: string): Promise<boolean> {
  const connection = grpcTransport.connect(address);
  try {
    await connection.call(GET, create(GetNodeRequestSchema, { path: '/controller', statOnly: true }), {
      deadlineMs: 300,
    });
    return true;
  } catch {
    return false;
  } finally {
    connection.close();
  }
}
