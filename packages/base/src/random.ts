/** Chance as the services see it. The runtime's is the machine's; tests and the simulator hand in a seeded one. */
export interface Random {
  /** A number from 0 up to, and not including, 1. */
  unit(): number;
  /** That many random bytes. */
  bytes(length: number): Uint8Array;
}

/** A seeded generator (mulberry32): the same seed gives the same run. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    unit: () => next() / 2 ** 32,
    bytes(length) {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = next() & 0xff;
      return out;
    },
  };
}
