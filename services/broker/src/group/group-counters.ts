import { METRIC_GROUP_ID_CHARS_MAX, METRIC_GROUPS_MAX } from '@weir/base/group-limits.ts';

/** What is counted of one group since this broker began to coordinate it. */
interface CountsOfGroup {
  rebalances: number;
  /** Offsets that were committed. */
  commits: number;
}

/** Under this all groups are counted that are not named in metrics. Not a group's id by accident: a group of that id joins them. */
export const OTHER_GROUPS = 'other';

/** Whether a group may have its own label. */
export function isNameable(groupId: string): boolean {
  return groupId.length <= METRIC_GROUP_ID_CHARS_MAX;
}

/** What is counted of the groups that a broker coordinates: plain numbers, so that a commit costs an addition. */
export class GroupCounters {
  /** Partitions of `__consumer_offsets` that were read, and how long that took in all. */
  loads = 0;
  loadMs = 0;
  /** Leaders that did not say where their logs end. */
  failedLagCalls = 0;
  readonly #groups = new Map<string, CountsOfGroup>();

  loaded(ms: number): void {
    this.loads++;
    this.loadMs += ms;
  }

  rebalanced(groupId: string): void {
    this.#of(groupId).rebalances++;
  }

  committed(groupId: string, offsets: number): void {
    this.#of(groupId).commits += offsets;
  }

  /** By group, and with the label for all that have none of their own. */
  byGroup(): Iterable<readonly [string, Readonly<CountsOfGroup>]> {
    return this.#groups;
  }

  /** Groups that are not here any more leave their labels to others. */
  keepOnly(isHere: (groupId: string) => boolean): void {
    for (const groupId of this.#groups.keys()) {
      if (groupId !== OTHER_GROUPS && !isHere(groupId)) this.#groups.delete(groupId);
    }
  }

  #of(groupId: string): CountsOfGroup {
    const known = this.#groups.get(groupId);
    if (known !== undefined) return known;
    const isFull = this.#groups.size >= METRIC_GROUPS_MAX;
    if (groupId !== OTHER_GROUPS && (isFull || !isNameable(groupId))) return this.#of(OTHER_GROUPS);
    const counts = { rebalances: 0, commits: 0 };
    this.#groups.set(groupId, counts);
    return counts;
  }
}
