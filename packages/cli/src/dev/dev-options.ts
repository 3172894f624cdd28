import { declareOptions } from '@weir/base/options.ts';
import type { OptionSpec, OptionSpecs, OptionValues } from '@weir/base/options.ts';
import { brokerOptions } from '@weir/broker/options.ts';
import { coordinatorOptions } from '@weir/coordinator/options.ts';
import { gatewayOptions } from '@weir/gateway/options.ts';
import { processOptions } from '@weir/runtime/run-main.ts';
import type { Kind } from './plan.ts';

/** Services of a kind in one `weir dev`. */
const SERVICES_MAX = 32;

/** Options of `weir dev` itself. */
export const devOptions = declareOptions({
  brokers: { type: 'integer', default: 1, min: 1, max: SERVICES_MAX, description: 'How many brokers run' },
  coordinators: {
    type: 'integer',
    default: 1,
    min: 1,
    max: SERVICES_MAX,
    description: 'How many coordinators run; several need --store etcd:URL,…, and one of them is active',
  },
  gateways: { type: 'integer', default: 1, min: 1, max: SERVICES_MAX, description: 'How many gateways run' },
  'data-dir': { type: 'string', default: './.weir', placeholder: 'DIRECTORY', description: 'Where all data is kept' },
  store: {
    type: 'string',
    optional: true,
    placeholder: coordinatorOptions.store.placeholder,
    check: coordinatorOptions.store.check,
    description: 'Where the metadata lives; without it, in the data directory',
  },
  ports: {
    type: 'choice',
    choices: ['fixed', 'auto'],
    default: 'fixed',
    description: 'The usual ports for the first of each kind and free ones for the rest, or free ones for all',
  },
  separate: {
    type: 'boolean',
    default: false,
    description: 'Each service as a process of its own, as in production',
  },
  'log-level': { ...processOptions['log-level'], default: 'warn' },
});

const SERVICE_OPTIONS: Readonly<Record<Kind, OptionSpecs>> = {
  coordinator: coordinatorOptions,
  broker: brokerOptions,
  gateway: gatewayOptions,
};

/** The services' options with their name in front: given, they are passed on. */
export const prefixedOptions: OptionSpecs = Object.fromEntries(
  Object.entries(SERVICE_OPTIONS).flatMap(([kind, specs]) =>
    Object.entries(specs).map(([name, spec]) => [`${kind}.${name}`, withoutDefault(spec)] as const),
  ),
);

function withoutDefault(spec: OptionSpec): OptionSpec {
  const { default: _default, ...rest } = spec;
  return { ...rest, optional: true };
}

/** The words that the prefixed options come to, by kind of service. */
export function passedOn(values: OptionValues<OptionSpecs>): Record<Kind, Record<string, string>> {
  const out: Record<Kind, Record<string, string>> = { coordinator: {}, broker: {}, gateway: {} };
  for (const kind of Object.keys(out) as Kind[]) {
    for (const name of Object.keys(SERVICE_OPTIONS[kind])) {
      const value = values[`${kind}.${name}`];
      if (value !== undefined) out[kind][name] = String(value);
    }
  }
  return out;
}
