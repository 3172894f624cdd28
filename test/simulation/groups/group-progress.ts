/** How far groups are with a partition's records, and what may excuse that some were left out. */
export interface ProgressParts {
  /** Records below were deleted, in some replica; or may have been. */
  readonly startOf: (place: string) => number;
  /** Whether nothing is expected of it: its records may have been lost, or each is not to be read. */
  readonly isExcused: (place: string) => boolean;
}

/** Of one group in one partition. */
interface Progress {
  /** Offsets that members were done with. */
  readonly done: Set<number>;
  /** What lies below was looked at. */
  frontier: number;
}

/** At least once (G7): what a group has committed, its members are done with, record by record. */
export class GroupProgress {
  readonly #parts: ProgressParts;
  readonly #progress = new Map<string, Progress>();

  constructor(parts: ProgressParts) {
    this.#parts = parts;
  }

  /** A member is done with a record. */
  done(groupId: string, place: string, offset: number): void {
    this.#of(groupId, place).done.add(offset);
  }

  /**
   * A commit counts.
   *
   * @returns what is wrong
   */
  committed(groupId: string, place: string, offset: number): string | undefined {
    const progress = this.#of(groupId, place);
    if (offset <= progress.frontier) return undefined;
    if (this.#parts.isExcused(place)) return undefined;
    const from = Math.max(progress.frontier, this.#parts.startOf(place));
    progress.frontier = offset;
    for (let at = from; at < offset; at++) {
      if (!progress.done.has(at))
        return `[G7] ${groupId} has committed ${offset} of ${place}, and nobody was done with ${at}`;
    }
    return undefined;
  }

  #of(groupId: string, place: string): Progress {
    const key = `${groupId} ${place}`;
    let progress = this.#progress.get(key);
    if (progress === undefined) this.#progress.set(key, (progress = { done: new Set(), frontier: 0 }));
    return progress;
  }
}
