import type { Partition } from '../partition/partition.ts';
import { FollowedPartition } from './followed-partition.ts';
import { LeaderLink } from './leader-link.ts';
import type { LeaderLinkParts, LinkKind } from './leader-link.ts';

/** What a follower needs. */
export interface ReplicationClientParts extends LeaderLinkParts {
  /** Whether the metadata has this broker's replica of a partition in sync. */
  readonly isInSync: (partition: Partition) => boolean;
}

/** The follower's side of replication: which partition is followed on which link. */
export class ReplicationClient {
  readonly #parts: ReplicationClientParts;
  readonly #links = new Map<string, LeaderLink>();
  readonly #followed = new Map<Partition, { readonly followed: FollowedPartition; readonly link: LeaderLink }>();
  #isStopped = false;

  constructor(parts: ReplicationClientParts) {
    this.#parts = parts;
  }

  /** Partitions that are followed, by the kind of their link. */
  counts(): Readonly<Record<LinkKind, number>> {
    const counts = { inSync: 0, catchingUp: 0 };
    for (const link of this.#links.values()) counts[link.kind] += link.size;
    return counts;
  }

  /** It follows another leader, or in another epoch, than it did. */
  follows(partition: Partition): void {
    this.leaves(partition);
    const { state } = partition;
    if (this.#isStopped || state.kind !== 'follower' || state.leader === -1) return;
    const link = this.#linkTo(state.leader, this.#parts.isInSync(partition) ? 'inSync' : 'catchingUp');
    const followed = new FollowedPartition(partition, state.epoch);
    this.#followed.set(partition, { followed, link });
    link.add(followed);
  }

  leaves(partition: Partition): void {
    const entry = this.#followed.get(partition);
    if (entry === undefined) return;
    this.#followed.delete(partition);
    const { link, followed } = entry;
    link.remove(followed);
    if (link.size === 0) this.#links.delete(keyOf(link.leader, link.kind));
  }

  isDurable(partition: Partition): void {
    const entry = this.#followed.get(partition);
    entry?.link.isDurable(entry.followed);
  }

  /** The metadata says something else of its in-sync replicas: it may belong on the other link. */
  isrChanged(partition: Partition): void {
    const entry = this.#followed.get(partition);
    if (entry === undefined) return;
    if ((entry.link.kind === 'inSync') !== this.#parts.isInSync(partition)) this.follows(partition);
  }

  /** Brokers have registered, or are somewhere else. */
  leadersMayHaveMoved(): void {
    for (const link of this.#links.values()) link.leaderMayHaveMoved();
  }

  /** This broker has another broker epoch: everybody is told. */
  registered(): void {
    for (const link of this.#links.values()) link.reset();
  }

  /** Follows nothing any more. */
  stop(): void {
    this.#isStopped = true;
    for (const partition of this.#followed.keys()) this.leaves(partition);
  }

  #linkTo(leader: number, kind: LinkKind): LeaderLink {
    const key = keyOf(leader, kind);
    const link = this.#links.get(key) ?? new LeaderLink(leader, kind, this.#parts);
    this.#links.set(key, link);
    return link;
  }
}

function keyOf(leader: number, kind: LinkKind): string {
  return `${leader}/${kind}`;
}
