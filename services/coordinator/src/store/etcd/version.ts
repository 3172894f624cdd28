/**
 * The oldest etcd that is taken. Below it reads may be stale after a member was paused (fixed in 3.6.9), and users may do
 * what their roles do not allow (CVE-2026-33413, CVE-2026-33343 and what followed).
 */
export const ETCD_VERSION_MIN = '3.6.11';

/** Whether a version as etcd states it ("3.6.16", "3.7.0-rc.0") is at least the other. */
export function isVersionAtLeast(version: string, least: string): boolean {
  const have = numbersOf(version);
  const want = numbersOf(least);
  for (const [i, number] of want.entries()) {
    const own = have[i] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}

/** What is not a number counts as 0: what cannot be understood is too old. */
function numbersOf(version: string): number[] {
  return version
    .split('-')[0]!
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
}
