import { OFFSETS_TOPIC } from '@weir/base/ids.ts';
import type { History } from '../checks/history.ts';
import type { GroupLog } from './group-log.ts';
import type { Seat } from './seat.ts';
import type { GroupSwarm } from './swarm.ts';
import { LATE_TOPIC } from './swarm.ts';

/** What is needed to say whether groups are well. */
export interface GroupLivenessParts {
  readonly groups: readonly GroupSwarm[];
  readonly seats: readonly Seat[];
  readonly log: GroupLog;
  readonly history: History;
  /** Partitions, by folder, that nobody may lead any more. */
  readonly waiting: () => ReadonlySet<string>;
  /** All that was ever committed of a partition, by folder, lies below. */
  readonly committedEndOf: (folder: string) => number;
  /** Of partitions whose records are compacted nobody need have read the last offset. */
  readonly isCompacted: (topic: string) => boolean;
}

/** A partition that a group reads. */
interface Place {
  readonly name: string;
  readonly folder: string;
  readonly topic: string;
}

/** What has to come to be of groups once faults are over (G9). */
export class GroupLiveness {
  readonly #parts: GroupLivenessParts;

  constructor(parts: GroupLivenessParts) {
    this.#parts = parts;
  }

  /** What is not well yet, or undefined: one generation, one owner each, and all of it read. */
  missing(): string | undefined {
    for (const group of this.#parts.groups) {
      const problem = this.#isWaiting(group) ? undefined : this.#problemOf(group);
      if (problem !== undefined) return `${group.id}: ${problem}`;
    }
    return undefined;
  }

  /** Whether nobody may coordinate it any more. */
  #isWaiting({ id }: GroupSwarm): boolean {
    const { history, log, waiting } = this.#parts;
    const topicId = history.now(`/topics/${OFFSETS_TOPIC}`)?.['id'] as string | undefined;
    return topicId !== undefined && waiting().has(`${topicId}-${log.shardOf(id)}`);
  }

  #problemOf(group: GroupSwarm): string | undefined {
    const { seats, log } = this.#parts;
    const members = seats.filter((seat) => seat.group === group).flatMap((seat) => seat.members);
    if (members.length === 0) return 'it has no members';
    const generations = new Set(members.map(({ generation }) => generation));
    if (generations.size > 1 || generations.has(-1))
      return `its members are in the generations ${[...generations].join()}`;
    const stored = log.group(group.id);
    if (log.isWhole(group.id)) {
      const count = stored.newest?.members.size ?? 0;
      const isSame = generations.has(stored.newest?.generation ?? 0) && count === members.length;
      if (!isSame) return `${members.length} members run, and generation ${stored.newest?.generation} has ${count}`;
    }
    const readers = new Map<string, number>();
    for (const place of members.flatMap(({ places }) => places)) readers.set(place, (readers.get(place) ?? 0) + 1);
    for (const { name, folder, topic } of this.#placesOf(group)) {
      if (readers.get(name) !== 1) return `nobody reads ${name}, or more than one do`;
      if (!log.isWhole(group.id) || this.#parts.isCompacted(topic) || this.#parts.waiting().has(folder)) continue;
      const committed = stored.offsetOf(name) ?? 0;
      const end = this.#parts.committedEndOf(folder);
      if (committed < end) return `${name} is read and committed up to ${committed}, and ends at ${end}`;
    }
    return undefined;
  }

  /** What there is of what it reads. */
  *#placesOf({ topics }: GroupSwarm): Generator<Place> {
    for (const [topic, { id, partitionCount }] of this.#parts.history.under('/topics/')) {
      const isRead = topics?.includes(topic) ?? (topic.startsWith('topic-') || topic.startsWith(LATE_TOPIC));
      if (!isRead) continue;
      for (let index = 0; index < partitionCount; index++)
        yield { name: `${topic}/${index}`, folder: `${id}-${index}`, topic };
    }
  }
}
