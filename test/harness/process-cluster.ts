import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { http } from '../cluster/http-client.ts';
import { Cluster, layOut, nameOf } from './cluster.ts';
import type { Driver, Service, ServiceKind } from './cluster.ts';
import { WeirChild } from './weir-child.ts';

const START_MS_MAX = 30_000;
/** What Kubernetes gives by default. */
const STOP_MS_MAX = 30_000;
const ANY_PORT = '127.0.0.1:0';

/** What a service says of itself once it runs. */
interface Started {
  readonly addresses: Readonly<Record<string, string>>;
  readonly ops: string;
}

/** Runs each service as a child process, on a data directory that goes with the cluster. */
export const processes: Driver<Service> = {
  create(counts) {
    const directory = mkdtempSync(join(tmpdir(), 'weir-cluster-'));
    const services: ProcessService[] = [];
    // It runs before the others are told where it is.
    const coordinator = (): string => services[0]!.grpcAddress;
    services.push(
      ...layOut(
        counts,
        (kind, id) => new ProcessService(kind, id, (grpc) => wordsOf(kind, id, { directory, grpc, coordinator })),
      ),
    );
    return Promise.resolve(
      new Cluster(services, async () => {
        await Promise.all(services.map((service) => service.kill()));
        rmSync(directory, { recursive: true, force: true });
      }),
    );
  },
};

/** `grpc`: where it listens for the others. */
function wordsOf(
  kind: ServiceKind,
  id: string,
  place: { readonly directory: string; readonly grpc: string; readonly coordinator: () => string },
): string[] {
  const common = [kind, '--id', id, '--ops-listen', ANY_PORT];
  switch (kind) {
    case 'coordinator':
      return [...common, '--grpc-listen', place.grpc, '--store', `sqlite:${place.directory}/coordinator/metadata.db`];
    case 'broker': {
      const data = join(place.directory, `broker-${id}`);
      return [
        ...common,
        '--coordinators',
        place.coordinator(),
        '--grpc-listen',
        ANY_PORT,
        '--kafka-listen',
        ANY_PORT,
        '--replication-listen',
        ANY_PORT,
        '--data-dir',
        data,
      ];
    }
    case 'gateway':
      return [...common, '--coordinators', place.coordinator(), '--http-listen', ANY_PORT];
  }
}

class ProcessService implements Service {
  readonly kind: ServiceKind;
  readonly id: string;
  readonly #words: (grpc: string) => string[];
  #child: WeirChild | undefined;
  #started: Started | undefined;
  #earlierOutput = '';

  constructor(kind: ServiceKind, id: string, words: (grpc: string) => string[]) {
    this.kind = kind;
    this.id = id;
    this.#words = words;
  }

  address(listener: 'http' | 'ops'): string {
    const { addresses, ops } = this.#last();
    const found = listener === 'ops' ? ops : addresses[listener];
    if (found === undefined) throw new Error(`${nameOf(this)} has no ${listener} listener`);
    return found;
  }

  /** Where the others reach it. */
  get grpcAddress(): string {
    return this.#last().addresses['grpc']!;
  }

  async start(): Promise<void> {
    if (this.#child !== undefined && this.#child.ended === undefined) throw new Error(`${nameOf(this)} runs already`);
    this.#earlierOutput = this.#allOutput();
    // The others were told where the coordinator is: it comes back to its port. All else may move.
    const child = new WeirChild(this.#words(this.#started?.addresses['grpc'] ?? ANY_PORT));
    this.#child = child;
    this.#started = await child.ready(async () => {
      const started = startedIn(child.output);
      if (started === undefined) return undefined;
      const answer = await http(`http://${started.ops}/readyz`).catch(() => undefined);
      return answer?.status === 200 ? started : undefined;
    }, START_MS_MAX);
  }

  async kill(): Promise<void> {
    await this.#child?.end('SIGKILL');
  }

  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    const late = setTimeout(() => child.signal('SIGKILL'), STOP_MS_MAX);
    const { code } = await child.end('SIGTERM');
    clearTimeout(late);
    return code;
  }

  pause(): Promise<void> {
    this.#child?.signal('SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.#child?.signal('SIGCONT');
    return Promise.resolve();
  }

  output(): Promise<string> {
    return Promise.resolve(this.#allOutput());
  }

  #allOutput(): string {
    return this.#earlierOutput + (this.#child?.output ?? '');
  }

  #last(): Started {
    if (this.#started === undefined) throw new Error(`${nameOf(this)} was never started`);
    return this.#started;
  }
}

/** The log line that tells where a service listens. */
function startedIn(output: string): Started | undefined {
  const line = output.split('\n').find((candidate) => /"msg":"\w+ \S+ started"\}$/.test(candidate));
  return line === undefined ? undefined : (JSON.parse(line) as Started);
}
