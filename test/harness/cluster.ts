import { http } from '../cluster/http-client.ts';
import type { HttpTarget } from '../cluster/http-client.ts';

/** Kinds of services, in the order in which they start. */
const KINDS = ['coordinator', 'broker', 'gateway'] as const;

/** What a service is. */
export type ServiceKind = (typeof KINDS)[number];

/** How many of each kind. */
export type Counts = Readonly<Record<ServiceKind, number>>;

/** No answer takes longer, a produce that waits for its delivery timeout included. */
const ANSWER_MS_MAX = 45_000;
/** Of what a service has printed, what is shown when something went wrong. */
const LINES_SHOWN = 60;

/** One service of a cluster: a child process or a container. */
export interface Service {
  readonly kind: ServiceKind;
  readonly id: string;
  /** Where this machine reaches it, as host:port. It may be another one after each start. */
  address(listener: 'http' | 'ops'): string;
  /** Starts it, on the data that it had before; returns when it is ready. @throws Error with what it printed */
  start(): Promise<void>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after the grace that its surroundings give; returns its exit code. */
  stop(): Promise<number | null>;
  /** Every thread of it stands still; its connections stay. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** All that it has printed since it was first started. */
  output(): Promise<string>;
}

/** What runs a cluster: one for child processes, one for containers. */
export interface Driver<S extends Service> {
  /** Lays a cluster out; nothing runs before `start`. */
  create(counts: Counts): Promise<Cluster<S>>;
}

/** Services that make up a cluster, each of which a test may take away and give back. */
export class Cluster<S extends Service = Service> {
  readonly services: readonly S[];
  readonly #discard: () => Promise<void>;

  /** `discard`: ends whatever still runs, and removes all data. */
  constructor(services: readonly S[], discard: () => Promise<void>) {
    this.services = services;
    this.#discard = discard;
  }

  of(kind: ServiceKind): readonly S[] {
    return this.services.filter((service) => service.kind === kind);
  }

  /** By name, as "broker 1". */
  named(name: string): S {
    const found = this.services.find((service) => nameOf(service) === name);
    if (found === undefined) throw new Error(`there is no ${name}: there are ${this.services.map(nameOf).join(', ')}`);
    return found;
  }

  get gateways(): readonly HttpTarget[] {
    return this.of('gateway').map(targetOf);
  }

  /** Starts them all; returns when all are ready. */
  async start(): Promise<this> {
    for (const kind of KINDS) await Promise.all(this.of(kind).map((service) => service.start()));
    return this;
  }

  /** Stops them all, against the stream of records; returns the exit codes by name. */
  async stop(): Promise<Record<string, number | null>> {
    const codes: Record<string, number | null> = {};
    for (const kind of KINDS.toReversed()) {
      await Promise.all(
        this.of(kind).map(async (service) => {
          codes[nameOf(service)] = await service.stop();
        }),
      );
    }
    return codes;
  }

  /** Ends whatever runs and removes all data. */
  async remove(): Promise<void> {
    await this.#discard();
  }

  /** The end of what each service has printed: for whoever looks at a failure. */
  async report(): Promise<string> {
    const parts = await Promise.all(
      this.services.map(async (service) => {
        const lines = (await service.output()).trimEnd().split('\n');
        const left = Math.max(0, lines.length - LINES_SHOWN);
        const cut = left === 0 ? '' : ` (${left} lines before)`;
        return `--- ${nameOf(service)}${cut}\n${lines.slice(left).join('\n')}`;
      }),
    );
    return parts.join('\n');
  }
}

/** A service's name, its own in the cluster: "broker 1". */
export function nameOf({ kind, id }: Pick<Service, 'kind' | 'id'>): string {
  return `${kind} ${id}`;
}

/** Who answers at a gateway's HTTP port, wherever that is at the time. */
export function targetOf(gateway: Service): HttpTarget {
  return {
    http: (path, options) => http(`http://${gateway.address('http')}${path}`, { timeoutMs: ANSWER_MS_MAX, ...options }),
  };
}

/** Ids count up from 1; gateways have names. */
function idOf(kind: ServiceKind, n: number): string {
  return kind === 'gateway' ? `gw-${n + 1}` : String(n + 1);
}

/** The services of a layout, in the order in which they start. */
export function layOut<S extends Service>(counts: Counts, make: (kind: ServiceKind, id: string) => S): S[] {
  return KINDS.flatMap((kind) => Array.from({ length: counts[kind] }, (_, n) => make(kind, idOf(kind, n))));
}
