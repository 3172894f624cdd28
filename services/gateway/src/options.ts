import { DRAIN_TIME_MS_MAX } from '@weir/base/limits.ts';
import { addressListProblem, addressProblem, declareOptions } from '@weir/base/options.ts';
import type { OptionValues } from '@weir/base/options.ts';

/** The gateway's options. */
export const gatewayOptions = declareOptions({
  id: { type: 'string', default: 'gw-1', description: 'Name of this gateway in logs', check: idProblem },
  coordinators: {
    type: 'string',
    default: '127.0.0.1:7070',
    placeholder: 'HOST:PORT,…',
    description: 'Where the coordinators are',
    check: addressListProblem,
  },
  'http-listen': {
    type: 'string',
    default: '127.0.0.1:8080',
    placeholder: 'HOST:PORT',
    description: 'Where HTTP is served; port 0 takes a free one',
    check: addressProblem,
  },
  'http-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    description: 'What clients reach it by, where that differs from http-listen',
    check: addressProblem,
  },
  'peer-advertise': {
    type: 'string',
    optional: true,
    placeholder: 'HOST:PORT',
    description:
      'What other gateways reach it by, for consumers that one of them has, where that differs from http-listen',
    check: addressProblem,
  },
  'ops-listen': {
    type: 'string',
    default: '127.0.0.1:8081',
    placeholder: 'HOST:PORT',
    description: 'Where probes and metrics are served',
    check: addressProblem,
  },
  'allowed-origins': {
    type: 'string',
    optional: true,
    placeholder: 'ORIGIN,…',
    description: 'Web pages of other origins that may use this gateway, as https://app.example.com',
    check: originListProblem,
  },
  'drain-time-ms': {
    type: 'integer',
    default: 0,
    min: 0,
    max: DRAIN_TIME_MS_MAX,
    placeholder: 'MS',
    description:
      'After it is told to stop: how long it goes on serving while clients leave their connections; less when they have',
  },
  'memory-limit': {
    type: 'integer',
    optional: true,
    min: 64 * 1024 * 1024,
    max: Number.MAX_SAFE_INTEGER,
    placeholder: 'BYTES',
    description: "Memory that budgets derive from, where it is not the container's or the machine's",
  },
  insecure: {
    type: 'boolean',
    default: false,
    description: 'Listen off loopback although there is no TLS and no authentication yet',
  },
});

/** The gateway's options as `start` gets them. */
export type GatewayOptions = OptionValues<typeof gatewayOptions>;

function idProblem(value: string): string | undefined {
  return /^[a-zA-Z0-9._-]{1,64}$/.test(value) ? undefined : 'is not 1 to 64 of a-z, A-Z, 0-9, ".", "_" and "-"';
}

function originListProblem(value: string): string | undefined {
  for (const origin of value.split(',')) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      return `is not a list of origins as https://app.example.com, without a path (at "${origin}")`;
    }
  }
  return undefined;
}
