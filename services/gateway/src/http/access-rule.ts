import { isLoopbackHost } from '@weir/runtime/listen-rule.ts';
import { HttpFailure } from './failure.ts';

/** Who may call, as far as a browser tells. */
export interface AccessRule {
  /** Whether the listener is a loopback one: then nobody can mean it by another name. */
  readonly loopback: boolean;
  /** Foreign origins that are welcome. */
  readonly allowedOrigins: ReadonlySet<string>;
}

/**
 * Why a request is refused for where it comes from, or undefined. A web page of another origin could else use the
 * gateway of whoever looks at it, and one that lets its own name point to 127.0.0.1 (DNS rebinding) would not even be
 * of another origin: hence the second rule.
 */
export function accessProblem(
  rule: AccessRule,
  host: string | undefined,
  origin: string | undefined,
): HttpFailure | undefined {
  if (rule.loopback && !isLoopbackHost(nameOf(host ?? ''))) {
    return new HttpFailure(
      'FOREIGN_HOST',
      `this gateway listens on loopback, and "${host ?? ''}" is not a loopback name: call it localhost or 127.0.0.1`,
    );
  }
  if (origin === undefined || isSameOrigin(origin, host) || rule.allowedOrigins.has(origin)) return undefined;
  return new HttpFailure(
    'FOREIGN_ORIGIN',
    `pages of ${origin} may not use this gateway: list that origin in --allowed-origins if they should`,
  );
}

/** The headers that let a listed foreign page read an answer; undefined for everyone else. */
export function crossOriginHeaders(
  rule: AccessRule,
  origin: string | undefined,
): Readonly<Record<string, string>> | undefined {
  if (origin === undefined || !rule.allowedOrigins.has(origin)) return undefined;
  return { 'access-control-allow-origin': origin, vary: 'origin' };
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  // A browser leaves the scheme's own port out of both; TLS in front of the gateway leaves https here.
  return (protocol === 'http:' || protocol === 'https:') && originHost === host.toLowerCase();
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}
