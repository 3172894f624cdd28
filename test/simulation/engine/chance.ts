import { seededRandom } from '@weir/base/random.ts';
import type { Random } from '@weir/base/random.ts';

/**
 * One stream of chance of a run. Each part of the simulation has its own, by name, so that a change of how one of them
 * draws does not shift what the others meet.
 */
export class Chance implements Random {
  readonly #random: Random;

  constructor(seed: number, name: string) {
    let mixed = seed >>> 0;
    for (const char of name) mixed = Math.imul(mixed ^ char.charCodeAt(0), 0x01000193) >>> 0;
    this.#random = seededRandom(mixed);
  }

  unit(): number {
    return this.#random.unit();
  }

  bytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }

  happens(probability: number): boolean {
    return this.unit() < probability;
  }

  /** From `min` up to, and not including, `max`. */
  between(min: number, max: number): number {
    return min + this.unit() * (max - min);
  }

  /** A whole number from `min` to `max`. */
  whole(min: number, max: number): number {
    return Math.floor(this.between(min, max + 1));
  }

  /** One of a list, which has at least one. */
  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)]!;
  }
}
