import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { messageOf } from '@weir/base/errors.ts';
import { BoundPorts, GenericContainer, Wait } from 'testcontainers';
import { Cluster, layOut, nameOf } from './cluster.ts';
import type { Driver, Service, ServiceKind } from './cluster.ts';
import { connectEngine, madeByThisRun, removeContainer } from './engine.ts';
import type { Engine } from './engine.ts';

const START_MS_MAX = 60_000;
/** What Kubernetes gives by default. */
const STOP_SECONDS_MAX = 30;
const DATA = '/var/lib/weir';
/** The user of the image, by number as in the chart. */
const USER = '10001:10001';

/** Where brokers serve Kafka clients of the network. */
const KAFKA_PORT = 9092;

const PORTS: Readonly<Record<ServiceKind, Readonly<{ ops: number; http?: number }>>> = {
  coordinator: { ops: 7079 },
  broker: { ops: 7080 },
  gateway: { ops: 8081, http: 8080 },
};

/** Runs each service in a container of an image, on a network and on volumes that go with the cluster. */
export function containers(image: string): Driver<ContainerService> {
  return {
    async create(counts) {
      const engine = await connectEngine();
      const name = `weir-test-${randomUUID().slice(0, 8)}`;
      const network = await engine.createNetwork({ Name: name, Driver: 'bridge', Labels: madeByThisRun });
      const services = layOut(counts, (kind, id) => new ContainerService({ engine, image, network: name, kind, id }));
      return new Cluster(services, async () => {
        await Promise.all(services.map((service) => service.remove()));
        await network.remove();
      });
    },
  };
}

/** How a service is told what to do, and where the others find it by its name on the network. */
function wordsOf(kind: ServiceKind, id: string, host: string): string[] {
  const ops = `--ops-listen=0.0.0.0:${PORTS[kind].ops}`;
  const common = [kind, `--id=${id}`, ops, '--insecure'];
  const coordinators = '--coordinators=coordinator-1:7070';
  switch (kind) {
    case 'coordinator':
      return [
        ...common,
        '--grpc-listen=0.0.0.0:7070',
        `--grpc-advertise=${host}:7070`,
        `--store=sqlite:${DATA}/metadata.db`,
      ];
    case 'broker':
      return [
        ...common,
        coordinators,
        '--grpc-listen=0.0.0.0:7071',
        `--grpc-advertise=${host}:7071`,
        `--kafka-listen=0.0.0.0:${KAFKA_PORT}`,
        `--kafka-advertise=${host}:${KAFKA_PORT}`,
        '--replication-listen=0.0.0.0:7072',
        `--replication-advertise=${host}:7072`,
        `--data-dir=${DATA}`,
      ];
    case 'gateway':
      return [
        ...common,
        coordinators,
        `--http-listen=0.0.0.0:${PORTS.gateway.http}`,
        `--peer-advertise=${host}:${PORTS.gateway.http}`,
      ];
  }
}

/** As the chart runs it: not root, nothing to write but its volume and /tmp, no capability, no way to get one. */
class WeirContainer extends GenericContainer {
  constructor(image: string, place: { readonly network: string; readonly host: string }) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    this.withTmpFs({ '/tmp': 'rw,noexec,nosuid,size=16m' })
      .withDroppedCapabilities('ALL')
      .withSecurityOpt('no-new-privileges:true')
      .withUser(USER)
      .withLabels({ ...madeByThisRun })
      .withNetworkMode(place.network);
    // An alias given to testcontainers would leave it on the default network as well.
    this.createOpts.NetworkingConfig = { EndpointsConfig: { [place.network]: { Aliases: [place.host] } } };
  }
}

/** A service in a container, which keeps its volume, its words and its name on the network for its whole life. */
export class ContainerService implements Service {
  readonly kind: ServiceKind;
  readonly id: string;
  readonly #engine: Engine;
  readonly #image: string;
  readonly #network: string;
  /** Its name on the network. */
  readonly #host: string;
  readonly #ready;
  #container: ReturnType<Engine['getContainer']> | undefined;
  /** This machine's name, and its port for each of the container's. */
  #reachedAt: { readonly host: string; readonly ports: BoundPorts } | undefined;
  readonly #occupants: string[] = [];
  /** Of a container that was removed because it did not get ready. */
  #lastWords = '';

  constructor(place: { engine: Engine; image: string; network: string; kind: ServiceKind; id: string }) {
    this.kind = place.kind;
    this.id = place.id;
    this.#engine = place.engine;
    this.#image = place.image;
    this.#network = place.network;
    this.#host = place.kind === 'gateway' ? place.id : `${place.kind}-${place.id}`;
    this.#ready = Wait.forHttp('/readyz', PORTS[place.kind].ops, { abortOnContainerExit: true })
      .withReadTimeout(500)
      .withStartupTimeout(START_MS_MAX);
  }

  address(listener: 'http' | 'ops'): string {
    const port = PORTS[this.kind][listener];
    if (this.#reachedAt === undefined || port === undefined) {
      throw new Error(`${nameOf(this)} has no ${listener} listener, or was never started`);
    }
    return `${this.#reachedAt.host}:${this.#reachedAt.ports.getBinding(port)}`;
  }

  async start(): Promise<void> {
    if (this.#container === undefined) return this.#create();
    await this.#container.start();
    await this.#untilReady();
  }

  async kill(): Promise<void> {
    await this.#running().kill({ signal: 'SIGKILL' });
    await this.#running().wait();
  }

  async stop(): Promise<number | null> {
    const container = this.#running();
    await container.stop({ t: STOP_SECONDS_MAX });
    return (await container.inspect()).State.ExitCode;
  }

  async pause(): Promise<void> {
    await this.#running().pause();
  }

  async resume(): Promise<void> {
    await this.#running().unpause();
  }

  /** Takes it off the network, ports of this machine included; it goes on running. */
  async disconnect(): Promise<void> {
    await this.#engine.getNetwork(this.#network).disconnect({ Container: this.#running().id });
  }

  /** Puts it back on the network under its name; returns when it is ready. */
  async connect(): Promise<void> {
    const EndpointConfig = { Aliases: [this.#host] };
    await this.#engine.getNetwork(this.#network).connect({ Container: this.#running().id, EndpointConfig });
    await this.#untilReady();
  }

  /** Its address on the network; empty while it has none. */
  async networkAddress(): Promise<string> {
    const { NetworkSettings } = await this.#running().inspect();
    return NetworkSettings.Networks[this.#network]?.IPAddress ?? '';
  }

  /** Gives its former address on the network to somebody else, so that it has to come back with another one. */
  async occupyAddress(): Promise<void> {
    const occupant = await this.#engine.createContainer({
      Image: this.#image,
      Entrypoint: ['sleep', 'infinity'],
      Labels: madeByThisRun,
      HostConfig: { NetworkMode: this.#network },
    });
    this.#occupants.push(occupant.id);
    await occupant.start();
  }

  /** Runs a program in it; returns its exit code and all that it printed. */
  async run(...command: string[]): Promise<{ code: number | null; output: string }> {
    const exec = await this.#running().exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
    const frames = await buffer(await exec.start({}));
    return { code: (await exec.inspect()).ExitCode, output: contentsOf(frames) };
  }

  async output(): Promise<string> {
    if (this.#container === undefined) return this.#lastWords;
    return contentsOf(await this.#container.logs({ follow: false, stdout: true, stderr: true }));
  }

  async remove(): Promise<void> {
    const ids = [...this.#occupants, ...(this.#container === undefined ? [] : [this.#container.id])];
    await Promise.all(ids.map((id) => removeContainer(this.#engine, id)));
    if (this.#volume !== undefined) await this.#engine.getVolume(this.#volume).remove({ force: true });
  }

  /** A gateway keeps nothing. */
  get #volume(): string | undefined {
    return this.kind === 'gateway' ? undefined : `${this.#network}-${this.#host}`;
  }

  async #create(): Promise<void> {
    const volume = this.#volume;
    if (volume !== undefined) await this.#engine.createVolume({ Name: volume, Labels: madeByThisRun });
    const { ops, http } = PORTS[this.kind];
    const container = new WeirContainer(this.#image, { network: this.#network, host: this.#host })
      .withCommand(wordsOf(this.kind, this.id, this.#host))
      .withExposedPorts(ops, ...(http === undefined ? [] : [http]))
      .withBindMounts(volume === undefined ? [] : [{ source: volume, target: DATA }])
      // testcontainers removes one that does not get ready, and its log with it.
      .withLogConsumer((stream) => stream.on('data', (chunk) => (this.#lastWords += chunk)))
      .withWaitStrategy(this.#ready);
    try {
      const started = await container.start();
      this.#container = this.#engine.getContainer(started.getId());
      await this.#look(started.getHost());
    } catch (error) {
      throw new Error(`${nameOf(this)} does not start: ${messageOf(error)}\n${this.#lastWords}`, { cause: error });
    }
  }

  async #untilReady(): Promise<void> {
    await this.#look(this.#reachedAt!.host);
    try {
      await this.#ready.waitUntilReady(this.#running(), this.#reachedAt!.ports);
    } catch (error) {
      throw new Error(`${nameOf(this)} is not ready: ${messageOf(error)}\n${await this.output()}`, { cause: error });
    }
  }

  /** The engine gives other ports of this machine at every start. */
  async #look(host: string): Promise<void> {
    const ports = new BoundPorts();
    const { NetworkSettings } = await this.#running().inspect();
    for (const [port, bindings] of Object.entries(NetworkSettings.Ports)) {
      // IPv6 has a port of its own.
      const binding = bindings?.find(({ HostIp }) => !HostIp.includes(':'));
      if (binding !== undefined) ports.setBinding(port, Number(binding.HostPort));
    }
    this.#reachedAt = { host: host === 'localhost' ? '127.0.0.1' : host, ports };
  }

  #running(): ReturnType<Engine['getContainer']> {
    if (this.#container === undefined) throw new Error(`${nameOf(this)} was never started`);
    return this.#container;
  }
}

const FRAME_HEADER_BYTES = 8;

/** What the frames of a container's two streams hold, in the order in which it came. */
function contentsOf(frames: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= frames.length;) {
    const start = at + FRAME_HEADER_BYTES;
    at = start + frames.readUInt32BE(at + 4);
    parts.push(frames.subarray(start, at));
  }
  return Buffer.concat(parts).toString();
}
