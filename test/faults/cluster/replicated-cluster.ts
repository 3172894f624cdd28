import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EtcdCluster } from '../../etcd/members.ts';
import { DiskFaults } from '../disk-faults.ts';
import { LoopDisk } from '../loop-disk.ts';
import type { Workshop } from '../workshop.ts';
import { DelayingProxy } from './delaying-proxy.ts';
import { Network } from './network.ts';
import { Node } from './node.ts';
import type { NodeSpec } from './node.ts';

const DISK_MEBIBYTES = 512;
const REPLICATION_PORT = 7072;
const TAKEN_OVER_MS_MAX = 30_000;
const POLL_MS = 20;

/** How a cluster differs from the usual one: a coordinator on SQLite, three brokers on directories, one gateway. */
export interface Topology {
  readonly brokers?: number;
  /** `etcd`: three members of it, and two coordinators. */
  readonly store?: 'sqlite' | 'etcd';
  /** `loop`: each broker has a disk whose power can be cut. */
  readonly disks?: 'directory' | 'loop';
  /** The disk calls of brokers can be made to fail. */
  readonly diskFaults?: boolean;
  /** Brokers follow each other by way of this program, which can delay what they say. */
  readonly replicationDelays?: boolean;
}

/** A broker: its process, on a host and a disk of its own. */
export class Broker extends Node {
  readonly dataDirectory: string;
  /** What its disk calls meet. */
  readonly faults: DiskFaults | undefined;
  readonly #disk: LoopDisk | undefined;

  constructor(
    spec: NodeSpec,
    on: { readonly dataDirectory: string; readonly disk?: LoopDisk; readonly faults?: DiskFaults },
  ) {
    super({ ...spec, words: [...spec.words, '--data-dir', on.dataDirectory] });
    this.dataDirectory = on.dataDirectory;
    this.#disk = on.disk;
    this.faults = on.faults;
  }

  /** The power fails: it is gone, and so is all that it had not synced. */
  async cutPower(): Promise<void> {
    const disk = this.#loopDisk;
    disk.cutPower();
    await this.kill();
    disk.unmount();
    disk.mount();
  }

  get #loopDisk(): LoopDisk {
    if (this.#disk === undefined) throw new Error(`${this.name} has no disk of its own`);
    return this.#disk;
  }
}

/** A replicated cluster of processes, each broker on a host whose links can be cut. */
export class ReplicatedCluster {
  readonly network: Network;
  /** Each way, and drawn anew each time, from … to: how long what followers and leaders say takes, where it can be delayed. */
  replicationDelayMs: readonly [number, number] = [0, 0];
  readonly coordinators: readonly Node[];
  readonly brokers: readonly Broker[];
  readonly gateway: Node;
  readonly gatewayUrl: string;
  /** host:port each. */
  readonly coordinatorAddresses: readonly string[];

  private constructor(workshop: Workshop, topology: Topology, network: Network, etcd: EtcdCluster | undefined) {
    this.network = network;
    const places = Array.from({ length: etcd === undefined ? 1 : 2 }, (_, i) => network.place(`coordinator-${i + 1}`));
    this.coordinatorAddresses = places.map(({ address }) => `${address}:7070`);
    const endpoints = etcd?.members.map(({ clientUrl }) => clientUrl).join(',');
    const store =
      endpoints === undefined ? `sqlite:${join(workshop.directory('store'), 'metadata.db')}` : `etcd:${endpoints}`;
    this.coordinators = places.map((place, i) => {
      const words = ['--grpc-listen', `${place.address}:7070`, '--store', store];
      return new Node({ kind: 'coordinator', id: String(i + 1), place, words, opsPort: 7079 });
    });
    const known = ['--coordinators', this.coordinatorAddresses.join(',')];
    this.brokers = Array.from({ length: topology.brokers ?? 3 }, (_, i) =>
      makeBroker({ id: i + 1, network, workshop, topology, words: known }),
    );
    const place = network.place('gateway');
    this.gatewayUrl = `http://${place.address}:8080`;
    const words = [...known, '--http-listen', `${place.address}:8080`];
    this.gateway = new Node({ kind: 'gateway', id: 'gw-1', place, words, opsPort: 8081 });
    // Paused ones as well: SIGKILL ends them.
    workshop.cleanups.add(
      'ending the processes',
      async () => void (await Promise.all(this.nodes.map((node) => node.kill()))),
    );
  }

  /** Starts one; returns when all of it is ready. @throws StartFailure (as a rejection) */
  static async start(workshop: Workshop, topology: Topology): Promise<ReplicatedCluster> {
    const network = new Network();
    workshop.cleanups.add('removing the network', () => network.remove());
    // On loopback, as the coordinators are.
    const etcd = topology.store === 'etcd' ? await startEtcd(workshop) : undefined;
    const cluster = new ReplicatedCluster(workshop, topology, network, etcd);
    const { coordinators, brokers, gateway } = cluster;
    if (topology.replicationDelays === true) await cluster.#startProxies(workshop);
    await Promise.all(coordinators.map((node) => node.start({ isReadyAwaited: coordinators.length === 1 })));
    await Promise.all(brokers.map((broker) => broker.start()));
    await gateway.start();
    return cluster;
  }

  get nodes(): readonly Node[] {
    return [...this.coordinators, ...this.brokers, this.gateway];
  }

  broker(id: number): Broker {
    const found = this.brokers.find((broker) => broker.id === id);
    if (found === undefined) throw new Error(`there is no broker ${id}`);
    return found;
  }

  /** All brokers but some. */
  others(...brokers: readonly Broker[]): Broker[] {
    return this.brokers.filter((broker) => !brokers.includes(broker));
  }

  /** The coordinator that decides, once there is one. @throws Error (as a rejection) when there is none for long */
  async activeCoordinator(): Promise<Node> {
    for (const untilMs = performance.now() + TAKEN_OVER_MS_MAX; performance.now() < untilMs; await pause(POLL_MS)) {
      const metrics = await Promise.all(this.coordinators.map((node) => node.ops('/metrics')));
      const active = this.coordinators.find((_, i) => /^weir_coordinator_active\S* 1$/m.test(metrics[i]?.text ?? ''));
      if (active !== undefined) return active;
    }
    throw new Error(`no coordinator is active within ${TAKEN_OVER_MS_MAX} ms`);
  }

  async #startProxies(workshop: Workshop): Promise<void> {
    const delayMs = (): number => {
      const [from, to] = this.replicationDelayMs;
      return from + Math.random() * (to - from);
    };
    for (const { id, place } of this.brokers) {
      const listen = proxyOf(this.network, id);
      const proxy = await DelayingProxy.start({ listen, target: `${place.address}:${REPLICATION_PORT}` }, delayMs);
      workshop.cleanups.add(`stopping the way to broker ${id}`, () => proxy.stop());
    }
  }

  /** How often something was printed by some of the nodes. */
  count(nodes: readonly Node[], printed: RegExp): number {
    return nodes.reduce((sum, { output }) => sum + (output.match(new RegExp(printed, 'g'))?.length ?? 0), 0);
  }
}

function makeBroker({
  id,
  network,
  workshop,
  topology,
  words,
}: {
  readonly id: number;
  readonly network: Network;
  readonly workshop: Workshop;
  readonly topology: Topology;
  readonly words: readonly string[];
}): Broker {
  const place = network.host(`broker-${id}`);
  const disk = topology.disks === 'loop' ? new LoopDisk(workshop, DISK_MEBIBYTES) : undefined;
  const faults = topology.diskFaults === true ? new DiskFaults(workshop) : undefined;
  const listeners = { grpc: 7071, replication: REPLICATION_PORT, kafka: 9092 };
  const listen = Object.entries(listeners).flatMap(([name, port]) => [`--${name}-listen`, `${place.address}:${port}`]);
  const advertise = topology.replicationDelays === true ? ['--replication-advertise', proxyOf(network, id)] : [];
  return new Broker(
    {
      kind: 'broker',
      id: String(id),
      place,
      words: [...words, ...listen, ...advertise],
      opsPort: 7080,
      ...(faults === undefined ? {} : { environment: faults.environment }),
    },
    {
      dataDirectory: disk?.at('data') ?? workshop.directory(`broker-${id}`),
      ...(disk === undefined ? {} : { disk }),
      ...(faults === undefined ? {} : { faults }),
    },
  );
}

/** Where a broker's followers find the way to it that can be delayed. */
function proxyOf({ clients }: Network, broker: number): string {
  return `${clients.address}:${7_200 + broker}`;
}

async function startEtcd(workshop: Workshop): Promise<EtcdCluster> {
  const etcd = await EtcdCluster.start(3);
  workshop.cleanups.add('stopping etcd', () => etcd.stop());
  return etcd;
}
