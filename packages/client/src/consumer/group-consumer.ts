import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  CONSUMER_COMMITS_WAITING_MAX,
  CONSUMER_PARTITION_AHEAD_BYTES_MAX,
  CONSUMER_PARTITION_AHEAD_BYTES_MIN,
  CONSUMER_POLL_RECORDS_MAX,
} from '@weir/base/group-limits.ts';
import { RETRY_BACKOFF_MS_MAX } from '@weir/base/limits.ts';
import type { RecordView } from '@weir/records/read-records.ts';
import { placeOf } from '../group/assignor.ts';
import type { TopicPartition } from '../group/assignor.ts';
import type { GroupCalls } from '../group/group-calls.ts';
import { AssignedMember } from '../group/assigned-member.ts';
import { GroupMember } from '../group/group-member.ts';
import type { MemberOwner, Membership } from '../group/group-member.ts';
import { commitOffsets, fetchOffsets } from '../group/group-offsets.ts';
import type { CommittedGroupOffset, CommitterIdentity, GroupOffset } from '../group/group-offsets.ts';
import type { TopicsWanted } from '../group/subscribed-topics.ts';
import type { LeaderCallParts } from '../leader-calls.ts';
import { settingsOf } from './consumer-options.ts';
import type { ConsumerOptions, ConsumerSettings } from './consumer-options.ts';
import type { Fetcher } from './fetcher.ts';
import { bytesOf, PartitionFeed } from './partition-feed.ts';
import { placeFeeds, resetFeeds } from './place-feeds.ts';
import type { PlacingParts } from './place-feeds.ts';

/** A record that a consumer was given. */
export interface ConsumedRecord extends TopicPartition {
  readonly record: RecordView;
}

/** What a poll is to bring. */
export interface PollOptions {
  readonly maxRecords?: number;
  /** Of keys and values; the first record counts as fitting. */
  readonly maxBytes?: number;
  /** It waits for so many bytes, as they are stored. */
  readonly minBytes?: number;
  /** Without it, until there is something or the consumer is closed. */
  readonly waitMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** What a consumer needs. */
export interface ConsumerParts extends LeaderCallParts {
  readonly fetcher: Fetcher;
  readonly calls: GroupCalls;
  /** What the client calls itself. */
  readonly name: string;
  readonly closed: (consumer: GroupConsumer) => void;
}

/**
 * A member of a consumer group: `for await (const { topic, partition, record } of consumer)`. Records of a partition come in order,
 * each at least once: who asks for the next one is done with those before, and what is done is committed now and then, when
 * partitions are given away, and at the end. Members of Kafka's clients may be in the same group.
 */
export class GroupConsumer {
  readonly #settings: ConsumerSettings;
  readonly #parts: ConsumerParts;
  readonly #member: Membership;
  readonly #feeds = new Map<string, PartitionFeed>();
  /** Those that may have records, in the order in which they are to be taken. */
  readonly #ready = new Set<PartitionFeed>();
  /** Whose records the owner has and is not done with. */
  readonly #given = new Set<PartitionFeed>();
  /** Some of those that it was given last are given again, to whoever reads them now: it has to know when it says that they are done. */
  #isGivenAway = false;
  /** Who waits for a record. */
  readonly #waiting = new Set<() => void>();
  readonly #cancelCommits: Cancel;
  #takenMs: number;
  #commitsWaiting = 0;
  #isCommitting = false;
  /** The last commit, settled or not: the next one waits for it. */
  #lastCommit: Promise<unknown> = Promise.resolve();
  #isAssigned = false;
  #failure: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  /** @throws WeirError INVALID_REQUEST for options that nothing can be done with */
  constructor(options: ConsumerOptions, parts: ConsumerParts) {
    const settings = settingsOf(options);
    const { clock } = parts.world;
    this.#settings = settings;
    this.#parts = parts;
    this.#takenMs = clock.monotonicMs();
    const { commitIntervalMs } = settings;
    this.#cancelCommits =
      commitIntervalMs === 'manual' ? () => {} : clock.every(commitIntervalMs, () => void this.#commitNow());
    const owner: MemberOwner = {
      assigned: (places) => this.#assigned(places),
      revoked: (places) => this.#revoked(places),
      lost: (places) => this.#lost(places),
      takenMs: () => (this.#waiting.size > 0 ? clock.monotonicMs() : this.#takenMs),
      failed: (error) => this.#fail(error),
    };
    const member = { ...settings, clientId: options.clientId ?? parts.name };
    const { reads } = settings;
    this.#member =
      reads.kind === 'share'
        ? new GroupMember(member, reads.topics, parts, owner)
        : new AssignedMember(reads.partitions, owner);
  }

  get groupId(): string {
    return this.#settings.groupId;
  }

  /** The generation that it is in; -1: it is in none now. Grows with each rebalance, so that what is written with it can be fenced. */
  get generation(): number {
    return this.#member.identity.generation;
  }

  /** Records, one after another, until it is closed. One reads at a time: who asks for the next one is done with the last. */
  [Symbol.asyncIterator](): AsyncIterator<ConsumedRecord, undefined> {
    return {
      next: async () => {
        const [record] = await this.poll({ maxRecords: 1 });
        return record === undefined ? { done: true, value: undefined } : { done: false, value: record };
      },
      return: async () => ({ done: true, value: undefined }),
    };
  }

  /**
   * Records that have come; it waits only while there are none, or fewer than `minBytes`, for `waitMs` at most. Who asks is done
   * with those that it was given before.
   *
   * @throws WeirError (as a rejection): why it cannot go on, and with the code of the group's, or of a partition's refusal. What an
   *   event's handler threw comes out here, too
   */
  async poll(options: PollOptions = {}): Promise<readonly ConsumedRecord[]> {
    const { minBytes = 1, waitMs, signal } = options;
    for (const feed of this.#given) feed.confirm();
    this.#given.clear();
    this.#isGivenAway = false;
    const { clock } = this.#parts.world;
    this.#takenMs = clock.monotonicMs();
    this.#member.taken();
    let isOver = waitMs === 0;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#closing !== undefined) return [];
      isOver ||= signal?.aborted === true;
      const records = isOver || this.#aheadBytes(minBytes) >= minBytes ? this.#take(options) : [];
      if (records.length > 0 || isOver) return records;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          cancel();
          resolve();
        };
        this.#waiting.add(wake);
        signal?.addEventListener('abort', wake);
        const cancel = waitMs === undefined ? (): void => {} : clock.after(waitMs, () => ((isOver = true), wake()));
      });
      this.#takenMs = clock.monotonicMs();
    }
  }

  /** Reads other topics from the group's next generation on. @throws WeirError INVALID_REQUEST: it is told what it reads */
  subscribe(topics: TopicsWanted): void {
    settingsOf({ groupId: this.groupId, topics });
    if (this.#member instanceof GroupMember) return this.#member.subscribe(topics);
    throw new WeirError('INVALID_REQUEST', 'this consumer reads the partitions that it was told');
  }

  /** Whether its group has given it something to read, or nothing, since it joined: else it is still to come. */
  get isAssigned(): boolean {
    return this.#isAssigned;
  }

  /** What it reads, in no order. */
  assignment(): readonly TopicPartition[] {
    return [...this.#feeds.values()].map(({ place }) => place);
  }

  /** The offset of the next record that it gives; undefined while that is not known. @throws WeirError INVALID_REQUEST */
  position(place: TopicPartition): number | undefined {
    return this.#feed(place).position;
  }

  /** Gives records from an offset on. @throws WeirError INVALID_REQUEST: it does not read that partition */
  seek(place: TopicPartition, offset: number): void {
    const feed = this.#feed(place);
    this.#given.delete(feed);
    feed.seek(offset);
  }

  /**
   * Gives records from an offset on once more, of those that were given last and have not got to whom they were for: its owner is not
   * done with those before by that. Nothing happens where it does not read the partition any more.
   */
  putBack(place: TopicPartition, offset: number): void {
    this.#feeds.get(placeOf(place))?.putBack(offset);
  }

  /** Gives nothing of these until they are resumed, or given away. @throws WeirError INVALID_REQUEST */
  pause(places: readonly TopicPartition[]): void {
    for (const feed of places.map((place) => this.#feed(place))) feed.pause();
  }

  /** @throws WeirError INVALID_REQUEST: it does not read one of them */
  resume(places: readonly TopicPartition[]): void {
    for (const feed of places.map((place) => this.#feed(place))) feed.resume();
  }

  /** Of what it reads, what is paused. */
  paused(): readonly TopicPartition[] {
    return [...this.#feeds.values()].filter(({ isPaused }) => isPaused).map(({ place }) => place);
  }

  /**
   * Commits offsets, or without them all that was given.
   *
   * @throws WeirError (as a rejection): REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID (the partitions may be
   *   somebody else's, or were given away since; what is still its own is committed), OFFSET_METADATA_TOO_LARGE,
   *   COORDINATOR_NOT_AVAILABLE and others
   */
  async commit(offsets?: readonly GroupOffset[]): Promise<void> {
    if (offsets !== undefined) return this.#commit(offsets);
    const isGivenAway = this.#isGivenAway;
    this.#isGivenAway = false;
    for (const feed of this.#feeds.values()) feed.confirm();
    this.#given.clear();
    await this.#commit(this.#uncommitted(this.#feeds.values()));
    if (!isGivenAway) return;
    const message =
      `group ${this.groupId} has rebalanced since the records were given that are to be committed: those of partitions that ` +
      'were given away are given again, to whoever reads them now';
    throw new WeirError('ILLEGAL_GENERATION', message);
  }

  /** What the group has committed of partitions; those without anything are left out. */
  committed(places: readonly TopicPartition[]): Promise<readonly CommittedGroupOffset[]> {
    return fetchOffsets(this.#parts.calls, this.groupId, places);
  }

  /** Commits, unless that is done by hand, gives away what it reads, and leaves the group. Who waits for records gets none. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelCommits();
    this.#wake();
    await this.#member.close();
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
    this.#parts.closed(this);
  }

  /** How much has come, counted up to `enough`. */
  #aheadBytes(enough: number): number {
    let bytes = 0;
    for (const feed of this.#ready) {
      bytes += feed.aheadBytes;
      if (bytes >= enough) break;
    }
    return bytes;
  }

  #take({
    maxRecords = CONSUMER_POLL_RECORDS_MAX,
    maxBytes = Number.POSITIVE_INFINITY,
  }: PollOptions): ConsumedRecord[] {
    const taken: ConsumedRecord[] = [];
    let bytes = 0;
    const more: PartitionFeed[] = [];
    for (const feed of this.#ready) {
      while (taken.length < maxRecords) {
        const record = feed.take(taken.length === 0 ? Number.POSITIVE_INFINITY : maxBytes - bytes);
        if (record === undefined) break;
        bytes += bytesOf(record);
        taken.push({ ...feed.place, record });
        this.#given.add(feed);
      }
      this.#ready.delete(feed);
      if (feed.hasRecords) more.push(feed);
      if (taken.length >= maxRecords || bytes >= maxBytes) break;
    }
    // They are last next time, so that a large partition does not keep the others waiting.
    for (const feed of more) this.#ready.add(feed);
    return taken;
  }

  #feed(place: TopicPartition): PartitionFeed {
    const feed = this.#feeds.get(placeOf(place));
    if (feed !== undefined && !feed.isClosed) return feed;
    const message = `this consumer does not read partition ${place.partition} of "${place.topic}" now`;
    throw new WeirError('INVALID_REQUEST', message);
  }

  async #assigned(places: readonly TopicPartition[]): Promise<void> {
    const share = this.#settings.aheadBytes / Math.max(1, this.#feeds.size + places.length);
    const creditBytes = Math.min(
      CONSUMER_PARTITION_AHEAD_BYTES_MAX,
      Math.max(CONSUMER_PARTITION_AHEAD_BYTES_MIN, Math.floor(share)),
    );
    const feeds = places.map(({ topic, partition }) => {
      const feed = new PartitionFeed(
        { topic, partition },
        {
          fetcher: this.#parts.fetcher,
          creditBytes,
          ready: (one) => {
            this.#ready.add(one);
            this.#wake();
          },
          ended: (one, why) => this.#ended(one, why),
        },
      );
      this.#feeds.set(placeOf(feed.place), feed);
      return feed;
    });
    // Who could not begin with these, as what it knows of them cannot be read, is not given their records.
    await this.#tell('assigned', places, (error) => this.#fail(error));
    this.#isAssigned = true;
    this.#background(placeFeeds(this.#placing, feeds));
  }

  async #revoked(places: readonly TopicPartition[]): Promise<void> {
    const feeds = this.#stopped(places);
    this.#isAssigned = false;
    if (this.#settings.commitIntervalMs !== 'manual') await this.#commitQuietly(feeds);
    await this.#tell('revoked', places, (error) => this.#cameTooLate(error));
    for (const feed of feeds) this.#forget(feed);
  }

  async #lost(places: readonly TopicPartition[]): Promise<void> {
    this.#isAssigned = false;
    for (const feed of this.#stopped(places)) this.#forget(feed);
    await this.#tell('lost', places, (error) => this.#cameTooLate(error));
  }

  /** Nothing of them is given any more; how far they have come is still known. */
  #stopped(places: readonly TopicPartition[]): PartitionFeed[] {
    const feeds = places.flatMap((place) => this.#feeds.get(placeOf(place)) ?? []);
    for (const feed of feeds) {
      feed.close();
      this.#ready.delete(feed);
    }
    return feeds;
  }

  #forget(feed: PartitionFeed): void {
    if (this.#given.delete(feed)) this.#isGivenAway = true;
    this.#feeds.delete(placeOf(feed.place));
  }

  async #tell(
    event: 'assigned' | 'revoked' | 'lost',
    places: readonly TopicPartition[],
    failed: (error: WeirError) => void,
  ): Promise<void> {
    if (places.length === 0) return;
    try {
      await this.#settings.events[event]?.(places);
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      failed(error);
    }
  }

  /** A commit that comes too late is no reason to end. */
  #cameTooLate(error: WeirError): void {
    const { logger } = this.#parts.world;
    logger.warn({ err: error }, `group ${this.groupId}: what is done about partitions that are given away failed`);
  }

  #ended(feed: PartitionFeed, why: Refusal): void {
    if (feed.isClosed) return;
    const { clock, logger } = this.#parts.world;
    if (why.code === 'OFFSET_OUT_OF_RANGE') {
      logger.info({ code: why.code }, `group ${this.groupId}: ${why.message}`);
      feed.lose();
      this.#background(resetFeeds(this.#placing, [feed]));
    } else if (ERRORS[why.code].retriable) clock.after(RETRY_BACKOFF_MS_MAX, () => feed.readOn());
    else if (why.code !== 'SHUTTING_DOWN') this.#fail(new WeirError(why.code, why.message));
  }

  get #placing(): PlacingParts {
    const { metadata, connections, world, calls } = this.#parts;
    const { groupId, offsetReset } = this.#settings;
    return { metadata, connections, world, calls, groupId, offsetReset };
  }

  #background(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  /** What the owner is done with, and is not known to be committed. */
  #uncommitted(feeds: Iterable<PartitionFeed>): readonly GroupOffset[] {
    return [...feeds].flatMap(({ place, processed, committed }) =>
      processed === undefined || processed === committed ? [] : [{ ...place, offset: processed }],
    );
  }

  async #commitNow(): Promise<void> {
    // A commit that takes longer than the interval is not to queue up others.
    if (this.#isCommitting) return;
    this.#isCommitting = true;
    await this.#commitQuietly(this.#feeds.values());
    this.#isCommitting = false;
  }

  async #commitQuietly(feeds: Iterable<PartitionFeed>): Promise<void> {
    try {
      await this.#commit(this.#uncommitted(feeds));
    } catch (error) {
      const { logger } = this.#parts.world;
      logger.debug({ err: error }, `group ${this.groupId}: offsets are not committed`);
    }
  }

  /** One after another: the last one that was asked for counts. */
  #commit(offsets: readonly GroupOffset[]): Promise<void> {
    if (offsets.length === 0) return Promise.resolve();
    if (this.#commitsWaiting >= CONSUMER_COMMITS_WAITING_MAX) {
      const message = `${CONSUMER_COMMITS_WAITING_MAX} commits wait already`;
      return Promise.reject(new WeirError('THROTTLING_QUOTA_EXCEEDED', message));
    }
    this.#commitsWaiting++;
    // Whose partitions they are now: in a later generation they may be somebody else's.
    const { identity } = this.#member;
    const committing = this.#lastCommit
      .then(() => this.#commitOnce(identity, offsets))
      .finally(() => void this.#commitsWaiting--);
    this.#lastCommit = committing.catch(() => undefined);
    return committing;
  }

  async #commitOnce(identity: CommitterIdentity, offsets: readonly GroupOffset[]): Promise<void> {
    const isOut = identity.generation < 0 && this.#member instanceof GroupMember;
    if (isOut) throw new WeirError('UNKNOWN_MEMBER_ID', 'the consumer is not in its group now');
    const { groupId } = this;
    const outcomes = await commitOffsets(this.#parts.calls, { groupId, identity }, offsets);
    for (const [i, place] of offsets.entries()) {
      const feed = this.#feeds.get(placeOf(place));
      if (outcomes[i] === undefined && feed !== undefined) feed.committed = place.offset;
    }
    const refused = outcomes.find((outcome) => outcome !== undefined);
    if (refused === undefined) return;
    this.#member.told(refused, identity.generation);
    throw new WeirError(refused.code, refused.message);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
