import { placeOf } from './assignor.ts';
import type { Assignment, Assignor, PartitionCounts, Subscriber, TopicPartition } from './assignor.ts';

/**
 * Members keep what they have, and as little as can be moves so that all have as much, give or take one, as their subscriptions
 * allow. What Kafka's consumers call `cooperative-sticky` (KIP-429): what moves is given to nobody in the first round, until its
 * owner has said that it has given it away.
 */
export const stickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  isCooperative: true,
  assign(subscribers: readonly Subscriber[], counts: PartitionCounts): Assignment {
    const sharing = new Sharing(subscribers, counts);
    sharing.keepOwned();
    sharing.giveOut();
    sharing.balance();
    return withoutMoving(subscribers, sharing.assignment);
  },
};

/** Shares partitions out among members. */
class Sharing {
  readonly assignment = new Map<string, TopicPartition[]>();
  readonly #subscribers: readonly Subscriber[];
  readonly #partitions: readonly TopicPartition[];
  /** Who may read a topic, by member id. */
  readonly #readers = new Map<string, string[]>();
  readonly #taken = new Set<string>();

  constructor(subscribers: readonly Subscriber[], counts: PartitionCounts) {
    this.#subscribers = subscribers.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
    for (const { memberId, topics } of this.#subscribers) {
      this.assignment.set(memberId, []);
      for (const topic of new Set(topics)) {
        const readers = this.#readers.get(topic);
        if (readers === undefined) this.#readers.set(topic, [memberId]);
        else readers.push(memberId);
      }
    }
    this.#partitions = [...this.#readers.keys()]
      .toSorted()
      .flatMap((topic) => Array.from({ length: counts(topic) }, (_, partition) => ({ topic, partition })));
  }

  /** What two say that they have, whoever got it later has; if both at once, nobody. */
  keepOwned(): void {
    const wanted = new Set(this.#partitions.map(placeOf));
    const claims = new Map<string, { readonly generation: number; owners: string[]; readonly place: TopicPartition }>();
    for (const { memberId, topics, owned, generation } of this.#subscribers) {
      for (const { topic, partition } of owned) {
        const key = placeOf({ topic, partition });
        if (!wanted.has(key) || !topics.includes(topic)) continue;
        const claim = claims.get(key);
        if (claim === undefined || claim.generation < generation) {
          claims.set(key, { generation, owners: [memberId], place: { topic, partition } });
        } else if (claim.generation === generation) claim.owners.push(memberId);
      }
    }
    for (const { owners, place } of claims.values()) if (owners.length === 1) this.#give(owners[0]!, place);
  }

  /** What nobody has goes to whoever may read it and has least; what few may read goes first. */
  giveOut(): void {
    const open = this.#partitions.filter((place) => !this.#taken.has(placeOf(place)));
    const readersOf = ({ topic }: TopicPartition): number => this.#readers.get(topic)!.length;
    for (const place of open.toSorted((a, b) => readersOf(a) - readersOf(b))) {
      this.#give(this.#leastLoaded(place.topic), place);
    }
  }

  /** Moves a partition at a time from who has more to who has at least two less. Each move makes it more even: it ends. */
  balance(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const giver of [...this.assignment.keys()].toSorted((a, b) => this.#load(b) - this.#load(a))) {
        moved = this.#relieve(giver) || moved;
      }
    }
  }

  #relieve(giver: string): boolean {
    const has = this.assignment.get(giver)!;
    let moved = false;
    // From the end: what it got last goes first.
    for (let i = has.length - 1; i >= 0; i--) {
      const place = has[i]!;
      const taker = this.#leastLoaded(place.topic);
      if (this.#load(taker) + 2 > has.length) continue;
      has.splice(i, 1);
      this.assignment.get(taker)!.push(place);
      moved = true;
    }
    return moved;
  }

  #give(memberId: string, place: TopicPartition): void {
    this.#taken.add(placeOf(place));
    this.assignment.get(memberId)!.push(place);
  }

  #leastLoaded(topic: string): string {
    const [first, ...others] = this.#readers.get(topic)!;
    return others.reduce((least, other) => (this.#load(other) < this.#load(least) ? other : least), first!);
  }

  #load(memberId: string): number {
    return this.assignment.get(memberId)!.length;
  }
}

/** Leaves out what another member still reads: it gets it in the next generation. */
function withoutMoving(subscribers: readonly Subscriber[], wanted: Assignment): Assignment {
  const owners = new Map<string, Set<string>>();
  for (const { memberId, owned } of subscribers) {
    for (const place of owned) {
      const key = placeOf(place);
      const known = owners.get(key);
      if (known === undefined) owners.set(key, new Set([memberId]));
      else known.add(memberId);
    }
  }
  const isFree = (memberId: string, place: TopicPartition): boolean =>
    [...(owners.get(placeOf(place)) ?? [])].every((owner) => owner === memberId);
  return new Map(
    [...wanted].map(([memberId, places]) => [memberId, places.filter((place) => isFree(memberId, place))]),
  );
}
