import { REPLICATION_FACTOR_DEFAULT } from '@weir/base/limits.ts';

/** Kinds of services, in the order in which they start. */
export type Kind = 'coordinator' | 'broker' | 'gateway';

/** A service that is to run: `args` is what `weir` would be told to run it alone. */
export interface ServicePlan {
  readonly kind: Kind;
  readonly id: string;
  readonly args: readonly string[];
}

/** What a plan is made from. */
export interface PlanInput {
  /** Absolute. */
  readonly dataDirectory: string;
  readonly store: string | undefined;
  readonly ports: 'fixed' | 'auto';
  readonly logLevel: string;
  /** How many there are. */
  readonly brokers: number;
  /** What the user gave for services of a kind, by option name. */
  readonly given: Readonly<Record<Kind, Readonly<Record<string, string>>>>;
}

/** Where services of each kind listen unless somebody says otherwise. */
const LISTENERS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  coordinator: { 'grpc-listen': '127.0.0.1:7070', 'ops-listen': '127.0.0.1:7079' },
  broker: {
    'kafka-listen': '127.0.0.1:9092',
    'grpc-listen': '127.0.0.1:7071',
    'replication-listen': '127.0.0.1:7072',
    'ops-listen': '127.0.0.1:7080',
  },
  gateway: { 'http-listen': '127.0.0.1:8080', 'ops-listen': '127.0.0.1:8081' },
};

/** What only one service can have: given by the user, it goes to the first of its kind. */
const OWN = /^(id|data-dir|.*-listen|.*-advertise)$/;

/** The nth service of a kind, from 0. `coordinators`: where those are that run already. */
export function planService(kind: Kind, n: number, coordinators: readonly string[], input: PlanInput): ServicePlan {
  const given = Object.entries(input.given[kind]).filter(([name]) => n === 0 || !OWN.test(name));
  const options: Record<string, string> = {
    id: idOf(kind, n, input.given[kind]['id']),
    ...listeners(kind, n, input.ports),
    ...ownDefaults(kind, n, input),
    ...(kind === 'coordinator' ? {} : { coordinators: coordinators.join(',') }),
    'log-level': input.logLevel,
    ...Object.fromEntries(given),
  };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return { kind, id: options['id']!, args: [kind, ...words] };
}

/** Ids count up from the first one's. */
function idOf(kind: Kind, n: number, given: string | undefined): string {
  if (kind !== 'gateway') return String(Number(given ?? 1) + n);
  return n === 0 && given !== undefined ? given : `${given === undefined ? 'gw' : given}-${n + 1}`;
}

function listeners(kind: Kind, n: number, ports: PlanInput['ports']): Record<string, string> {
  if (ports === 'fixed' && n === 0) return LISTENERS[kind];
  return Object.fromEntries(Object.keys(LISTENERS[kind]).map((name) => [name, '127.0.0.1:0']));
}

function ownDefaults(kind: Kind, n: number, input: PlanInput): Record<string, string> {
  switch (kind) {
    case 'coordinator':
      // Whoever tries something out wants to produce to a topic without a word about it before.
      return {
        store: input.store ?? `sqlite:${input.dataDirectory}/coordinator/metadata.db`,
        'auto-create-topics': 'true',
        // As many as there are to be, and not as happen to have registered.
        'default-replication-factor': String(Math.min(REPLICATION_FACTOR_DEFAULT, input.brokers)),
      };
    case 'broker':
      // The first one's is where `weir broker` alone looks by default.
      return {
        'data-dir': `${input.dataDirectory}/broker${n === 0 ? '' : `-${n + 1}`}`,
        // There is nobody to wait for.
        'group-initial-rebalance-delay-ms': '0',
      };
    case 'gateway':
      return {};
  }
}

/** The plan's words with the ports that were found in the place of "any": who starts it again gets the same ones. */
export function argsAsBound(plan: ServicePlan, addresses: Readonly<Record<string, string>>): string[] {
  return plan.args.map((word, i) => {
    const name = /^--(.*)-listen$/.exec(plan.args[i - 1] ?? '')?.[1];
    const bound = name === undefined ? undefined : addresses[name];
    if (bound === undefined || !word.endsWith(':0')) return word;
    return word.slice(0, -1) + bound.slice(bound.lastIndexOf(':') + 1);
  });
}
