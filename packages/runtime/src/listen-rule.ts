import { isIPv4 } from 'node:net';
import { splitAddress } from '@weir/base/options.ts';

/** Whether only this machine can reach a host. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/**
 * Why a listener may not be opened, or undefined. There is no TLS and no authentication yet: off loopback, anyone who
 * reaches the port may read and write everything, so that somebody has to have said that they want it.
 */
export function listenProblem(option: string, address: string, insecure: boolean): string | undefined {
  if (insecure || isLoopbackHost(splitAddress(address).host)) return undefined;
  return (
    `--${option} ${address} is not a loopback address, and Weir has no TLS and no authentication yet: ` +
    'whoever reaches that port can read and write everything. Listen on 127.0.0.1, or say --insecure if the network is trusted'
  );
}

/**
 * Why a listener cannot be found by others, or undefined: who listens on all addresses cannot be reached under the one that
 * it listens on.
 */
export function advertiseProblem(
  of: 'grpc' | 'kafka' | 'replication',
  listen: string,
  advertise: string | undefined,
): string | undefined {
  const { host } = splitAddress(listen);
  if (advertise !== undefined || (host !== '0.0.0.0' && host !== '::')) return undefined;
  return `--${of}-listen ${listen} is not an address that others can connect to: say --${of}-advertise HOST:PORT as well`;
}
