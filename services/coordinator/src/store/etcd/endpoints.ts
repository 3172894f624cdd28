import { addressProblem } from '@weir/base/options.ts';

/** Where a member of etcd is. */
export interface EtcdEndpoint {
  /** As it was given: "https://etcd-0:2379". */
  readonly url: string;
  /** host:port. */
  readonly address: string;
  readonly isTls: boolean;
}

/** How etcd is reached, and as whom. Files are paths. */
export interface EtcdAccess {
  readonly endpoints: readonly EtcdEndpoint[];
  /** What all keys begin with. */
  readonly prefix: string;
  /** Certificates of the authorities that members' certificates are checked by, instead of the system's. */
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly user?: { readonly name: string; readonly passwordFile: string } | undefined;
}

/** The members of a list with commas that `endpointsProblem` has nothing against. */
export function parseEndpoints(list: string): EtcdEndpoint[] {
  return list.split(',').map((url) => {
    const [scheme, address] = url.split('://') as [string, string];
    return { url, address, isTls: scheme === 'https' };
  });
}

/** Why a text is not a list of endpoints, or undefined when it is one. */
export function endpointsProblem(list: string): string | undefined {
  const urls = list.split(',');
  for (const url of urls) {
    const address = /^https?:\/\/(.*)$/.exec(url)?.[1];
    if (address === undefined || addressProblem(address) !== undefined) {
      return `has "${url}" where http://HOST:PORT or https://HOST:PORT is expected`;
    }
  }
  if (new Set(urls.map((url) => url.split(':')[0])).size > 1) return 'mixes http and https';
  return undefined;
}

/** For `check`: why a text cannot stand before all keys, or undefined. */
export function prefixProblem(prefix: string): string | undefined {
  if (/^(\/[a-zA-Z0-9._-]+)+$/.test(prefix)) return undefined;
  return 'is not a prefix of keys: use /NAME or /NAME/NAME, of letters, digits, ".", "_" and "-"';
}
