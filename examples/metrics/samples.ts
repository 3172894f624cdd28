/** What a host says of itself, now and then. */
export interface Sample {
  readonly host: string;
  /** When, in milliseconds since 1970. */
  readonly atMs: number;
  /** Of the host's processors, in percent: a whole number, so that sums are exact. */
  readonly cpu: number;
}

/** How often a host sends one. */
export const SAMPLE_MS = 5_000;

/** The host by its number, as "host-07". */
export function hostName(number: number): string {
  return `host-${String(number).padStart(2, '0')}`;
}

/** A simulated host's sample: the same whenever it is asked for. Each host is busy at times of its own. */
export function sampleOf(host: number, atMs: number): Sample {
  const wave = Math.sin(atMs / 90_000 + host) * 30;
  const noise = (host * 7_919 + Math.floor(atMs / SAMPLE_MS) * 104_729) % 23;
  return { host: hostName(host), atMs, cpu: Math.round(40 + wave + noise) };
}
