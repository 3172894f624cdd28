import type { PartitionInfo } from '@weir/client/metadata/cluster-image.ts';
import type { PartitionKey } from './partition-key.ts';
import type { DoubtfulReplica } from './partitions-parts.ts';

/** A replica that the coordinator has to be told of: somebody counts on it, or may come to. */
export interface DoubtToReport extends DoubtfulReplica {
  /** The last leader epoch in which it led or followed; -1: in none since the start. */
  readonly spokeIn: number;
  /** Of the state of the partition in which that is so. */
  readonly partitionEpoch: number;
}

interface KnownDoubt extends DoubtfulReplica {
  readonly spokeIn: number;
  /** Whether it is made anew by itself, once it may be. */
  readonly heals: boolean;
}

/** What is to be done about a replica, as the metadata stands. */
export type DoubtStep =
  /** Nothing is wrong with it that had to be told, or healed. */
  | 'none'
  /** Somebody counts on it, or may come to. */
  | 'report'
  /** It might be needed yet, or a person has to look at it. */
  | 'wait'
  /** Nobody counts on it, or ever will before it has followed again, and another one leads. */
  | 'beginAnew';

/**
 * Replicas of this broker that are not to be trusted (R9). Pure: what follows from them is decided anew with all metadata.
 *
 * A replica may be dropped once no leader can take it into the ISR for what it was. One that was doubtful from the start has told
 * this run's registration nothing but that. One that became so later has spoken to leaders, and what they have heard counts up to
 * the end of their leader epoch; a later epoch begins without it (ADR 31).
 */
export class Doubts {
  readonly #known = new Map<string, KnownDoubt>();

  get size(): number {
    return this.#known.size;
  }

  /** Of a start: nothing has been told of the replica since. `heals`: false when it fails by our own mistake. */
  foundAtStart(folder: string, doubtful: DoubtfulReplica, { heals }: { readonly heals: boolean }): void {
    this.#known.set(folder, { ...doubtful, spokeIn: -1, heals });
  }

  /** A read found damage in what it has told leaders to hold, up to this leader epoch. */
  foundDamage(folder: string, key: PartitionKey, spokeIn: number): void {
    this.#known.set(folder, { key, doubt: 'damaged', spokeIn, heals: true });
  }

  /** It was made anew, or is gone. @returns whether it was doubtful */
  remove(folder: string): boolean {
    return this.#known.delete(folder);
  }

  /** All of them, for the registration. */
  list(): DoubtfulReplica[] {
    return [...this.#known.values()].map(({ key, doubt }) => ({ key, doubt }));
  }

  /** What was only unsynced is what it is, from the registration on that lists it. */
  registered(): void {
    for (const [folder, { doubt }] of this.#known) if (doubt === 'unsynced') this.#known.delete(folder);
  }

  *entries(): Generator<readonly [folder: string, key: PartitionKey]> {
    for (const [folder, { key }] of this.#known) yield [folder, key];
  }

  /** What is to be done about a replica of broker `me`. One that is missing is made anew as one that never was. */
  step(folder: string, info: PartitionInfo, me: number): DoubtStep {
    const known = this.#known.get(folder);
    const { leader, leaderEpoch, replicas, isr, elr } = info;
    if (known?.doubt !== 'damaged' || !replicas.includes(me)) return 'none';
    if (leader === me || isr.includes(me) || elr.includes(me)) return 'report';
    // Without a leader there is nobody who has heard it, and the next one begins a later epoch.
    if (leader === -1) return 'wait';
    if (leaderEpoch <= known.spokeIn) return 'report';
    return known.heals ? 'beginAnew' : 'wait';
  }

  /**
   * What the coordinator has to be told now.
   *
   * @param infoOf - a partition as the metadata has it; undefined: it does not
   */
  toReport(infoOf: (key: PartitionKey) => PartitionInfo | undefined, me: number): DoubtToReport[] {
    return [...this.#known].flatMap(([folder, { key, doubt, spokeIn }]) => {
      const info = infoOf(key);
      if (info === undefined || this.step(folder, info, me) !== 'report') return [];
      return [{ key, doubt, spokeIn, partitionEpoch: info.partitionEpoch }];
    });
  }
}
