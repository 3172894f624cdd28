import { assert } from '@weir/base/assert.ts';
import type { Clock } from '@weir/base/clock.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { LeaderEpoch } from '@weir/base/ids.ts';
import { RecordError } from '@weir/kafka/records/record-format.ts';
import type { Logger } from '@weir/runtime/world.ts';
import type { Partition } from '../partition/partition.ts';
import { ClassicGroup } from './classic-group.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import type { CommittedOffset, TopicPartition } from './committed-offsets.ts';
import type { GroupOptions } from './group-core.ts';
import type { GroupCounters } from './group-counters.ts';
import { errorOfRefusedRecord } from './group-error.ts';
import type { GroupError } from './group-error.ts';
import { GroupLog } from './group-log.ts';
import type { GroupLogParts, RecordToStore, WriteOutcome } from './group-log.ts';
import type { CommitRequest, GroupEffect, GroupTime, HeartbeatRequest } from './group-messages.ts';
import type { GroupRecord, StoreOutcome } from './group-record.ts';
import { groupToStore, offsetToStore, readStored } from './stored-group.ts';
import type { StoredRecord } from './stored-group.ts';
import { ShardTree } from './tree/shard-tree.ts';
import type { TreeShared } from './tree/shard-tree.ts';
import type { StoredGroup } from './tree/tree-group.ts';

/** An answer of a group, as an effect has it. */
export type GroupAnswer = Exclude<GroupEffect<GroupToken>, { readonly kind: 'store' | 'happened' }>;
/** Who asked a group, and is to be answered once. */
export type GroupToken = (answer: GroupAnswer) => void;

/** What a shard needs. */
export interface GroupShardParts extends Omit<GroupLogParts, 'clock'> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: GroupOptions;
  readonly counters: GroupCounters;
  readonly tree: TreeShared;
  /** It has lost its partition, or what became of a record is not known: who still wants it begins anew. */
  readonly over: (shard: GroupShard, why: Refusal) => void;
}

/** A group with all that is stored of it. */
export class HeldGroup {
  readonly id: string;
  readonly classic: ClassicGroup<GroupToken>;
  readonly offsets: CommittedOffsets;
  /** Its last committed record. */
  stored: StoredGroup | undefined;
  /** Commits that are on their way, by `topic\0partition`. */
  readonly committing = new Map<string, TopicPartition & { count: number }>();

  constructor(id: string, options: GroupOptions, offsets: CommittedOffsets = new CommittedOffsets()) {
    this.id = id;
    this.classic = new ClassicGroup(options);
    this.offsets = offsets;
  }

  /** Whether nothing of it is stored, or on its way. */
  get isNothing(): boolean {
    return this.classic.isUnused && this.offsets.size === 0 && this.committing.size === 0;
  }
}

/**
 * The groups of one partition of `__consumer_offsets`, in one leader epoch. What they are follows from its log: it is read when the
 * shard begins, and what is written later counts once it is committed.
 */
export class GroupShard {
  readonly partition: Partition;
  readonly epoch: LeaderEpoch;
  /** What is stored, as nodes of the namespace. */
  readonly tree: ShardTree;
  readonly #parts: GroupShardParts;
  readonly #log: GroupLog;
  readonly #groups = new Map<string, HeldGroup>();
  /** Who waits for commits and deletions of offsets that are on their way. */
  readonly #committing = new Set<(error: GroupError) => void>();
  #phase: 'loads' | 'ready' | 'over' = 'loads';
  #records = 0;
  readonly #beganMs: number;

  constructor(partition: Partition, epoch: LeaderEpoch, parts: GroupShardParts) {
    this.partition = partition;
    this.epoch = epoch;
    this.#parts = parts;
    this.#beganMs = parts.clock.monotonicMs();
    this.tree = new ShardTree(this.#groups, partition.logStartOffset, parts.tree);
    this.#log = new GroupLog(partition, epoch, parts, {
      loaded: (record) => {
        this.#records++;
        this.#load(record);
      },
      ready: (logEnd) => this.#ready(logEnd),
      over: (why) => {
        this.end('NOT_COORDINATOR');
        parts.over(this, why);
      },
    });
  }

  /** Begins to load. */
  begin(): void {
    this.#log.begin();
  }

  /** Why nothing can be asked of it, or undefined when it can. */
  get problem(): GroupError | undefined {
    switch (this.#phase) {
      case 'loads':
        return 'COORDINATOR_LOAD_IN_PROGRESS';
      case 'ready':
        return undefined;
      case 'over':
        return 'NOT_COORDINATOR';
    }
  }

  /** All of them, in no order; none while it loads. */
  *groups(): Generator<HeldGroup> {
    if (this.#phase === 'ready') yield* this.#groups.values();
  }

  get size(): number {
    return this.#groups.size;
  }

  find(groupId: string): HeldGroup | undefined {
    return this.#groups.get(groupId);
  }

  /** Asks a group something that has effects; a group that is not there is made for it. */
  ask(groupId: string, event: (group: ClassicGroup<GroupToken>, now: GroupTime) => GroupEffect<GroupToken>[]): void {
    this.#step(this.#hold(groupId), event);
  }

  /** Heartbeat: its answer. */
  heartbeat(groupId: string, request: HeartbeatRequest): GroupError {
    return this.#groups.get(groupId)?.classic.heartbeat(request, this.#now()) ?? 'UNKNOWN_MEMBER_ID';
  }

  /** OffsetCommit: whether it may be stored. Who is no member commits to a group that is not there, or in which nobody is. */
  mayCommit(groupId: string, request: CommitRequest): GroupError {
    const group = this.#groups.get(groupId);
    if (group === undefined) return request.generation < 0 ? 'NONE' : 'ILLEGAL_GENERATION';
    return group.classic.commit(request, this.#now());
  }

  /**
   * Stores commits together. `answer` is called once, when they are committed or when they never will be.
   *
   * @param commits - each partition once
   */
  commit(
    groupId: string,
    commits: readonly (TopicPartition & { readonly committed: CommittedOffset | null })[],
    answer: (error: GroupError) => void,
  ): void {
    const records = commits.map((place) => offsetToStore(groupId, place, place.committed));
    const group = this.#hold(groupId);
    for (const place of commits) begin(group, place);
    this.#committing.add(answer);
    this.#log.write(records, (outcome) => {
      this.#committing.delete(answer);
      let stored = 0;
      let revision = outcome.kind === 'committed' ? outcome.offset : 0;
      for (const place of commits) {
        end(group, place);
        if (outcome.kind !== 'committed') continue;
        this.tree.storeOffset(group, place, place.committed, ++revision);
        if (place.committed !== null) stored++;
      }
      if (stored > 0) this.#parts.counters.committed(groupId, stored);
      answer(outcome.kind === 'committed' ? 'NONE' : commitErrorOf(outcome.refusal));
      this.#forgetIfNothing(group);
    });
  }

  /** Does what is due in all groups. */
  tick(): void {
    if (this.#phase !== 'ready') return;
    const now = this.#now();
    for (const group of this.#groups.values()) {
      const { nextDeadlineMs } = group.classic;
      if (nextDeadlineMs !== undefined && nextDeadlineMs <= now.ms) this.#step(group, (classic) => classic.due(now));
    }
  }

  /** So long nobody could be heard: deadlines move. */
  postpone(ms: number): void {
    for (const { classic } of this.#groups.values()) classic.postpone(ms);
  }

  /** Lets go of everything, and tells whoever waits. */
  end(error: GroupError): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#log.close();
    this.tree.watches.end(refusal('NOT_COORDINATOR', `${this.partition.name} is not led here any more`));
    this.tree.close();
    const now = this.#now();
    for (const { classic } of this.#groups.values()) for (const effect of classic.end(error, now)) deliver(effect);
    this.#groups.clear();
    for (const waiting of this.#committing) waiting(error);
    this.#committing.clear();
  }

  #now(): GroupTime {
    const { clock } = this.#parts;
    return { ms: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  #hold(groupId: string): HeldGroup {
    assert(this.#phase !== 'over', 'nothing is asked of a shard that is over');
    let group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, (group = new HeldGroup(groupId, this.#parts.options)));
    return group;
  }

  #load(record: { readonly key: Buffer | null; readonly value: Buffer | null; readonly offset: number }): void {
    this.tree.reads(record.offset);
    const revision = record.offset + 1;
    const stored = this.#read(record);
    switch (stored.kind) {
      case 'unknown':
        return;
      case 'group': {
        const group = this.#hold(stored.group);
        this.tree.storeGroup(group, stored.record, revision);
        if (stored.record === null) this.#unload(group);
        else group.classic.load(stored.record);
        return;
      }
      case 'offset':
        this.tree.storeOffset(this.#hold(stored.group), stored, stored.committed, revision);
        return;
    }
  }

  /** What cannot be read, as somebody newer may write it, is left out: without it the rest is still there. */
  #read(record: { readonly key: Buffer | null; readonly value: Buffer | null }): StoredRecord {
    try {
      return readStored(record);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#parts.logger.error(
        { fault: error.fault },
        `a record of ${this.partition.name} is left out: ${error.message}`,
      );
      return { kind: 'unknown' };
    }
  }

  /** Its tombstone: what it has committed may be there all the same. */
  #unload({ id, offsets }: HeldGroup): void {
    if (offsets.size === 0) this.#groups.delete(id);
    else this.#groups.set(id, new HeldGroup(id, this.#parts.options, offsets));
  }

  #ready(logEnd: number): void {
    this.#phase = 'ready';
    this.tree.loaded(logEnd);
    const { logger, clock, counters } = this.#parts;
    const durationMs = clock.monotonicMs() - this.#beganMs;
    counters.loaded(durationMs);
    const facts = { groups: this.#groups.size, records: this.#records, durationMs: Math.round(durationMs) };
    if (this.#records > 0) logger.info(facts, `loaded the groups of ${this.partition.name}`);
    for (const group of this.#groups.values()) {
      this.#step(group, (classic, now) => classic.begin(now));
      this.#forgetIfNothing(group);
    }
  }

  #step(
    group: HeldGroup,
    event: (classic: ClassicGroup<GroupToken>, now: GroupTime) => GroupEffect<GroupToken>[],
  ): void {
    const now = this.#now();
    this.#do(group, event(group.classic, now));
    const { nextDeadlineMs } = group.classic;
    if (nextDeadlineMs !== undefined && nextDeadlineMs <= now.ms) this.#do(group, group.classic.due(now));
    this.#forgetIfNothing(group);
  }

  #do(group: HeldGroup, effects: readonly GroupEffect<GroupToken>[]): void {
    for (const effect of effects) {
      if (effect.kind === 'happened' && effect.what === 'rebalance') this.#parts.counters.rebalanced(group.id);
      if (effect.kind === 'store') this.#store(group, effect.record);
      else if (effect.kind === 'happened')
        this.#parts.logger.info({ group: group.id }, `${effect.what}: ${effect.text}`);
      else deliver(effect);
    }
  }

  #store(group: HeldGroup, record: GroupRecord | null): void {
    const records: RecordToStore[] = [];
    // A group takes its offsets with it, those that are on their way too.
    const offsets: TopicPartition[] = record === null ? [...group.offsets, ...group.committing.values()] : [];
    for (const place of offsets) records.push(offsetToStore(group.id, place, null));
    records.push(groupToStore(group.id, record));
    this.#log.write(records, (outcome) => {
      if (outcome.kind === 'committed') {
        let revision = outcome.offset;
        for (const place of offsets) this.tree.storeOffset(group, place, null, ++revision);
        this.tree.storeGroup(group, record, ++revision);
      }
      this.#step(group, (classic, now) => classic.stored(groupOutcomeOf(outcome), now));
      if (group.classic.state === 'Dead' && this.#groups.get(group.id) === group) this.#groups.delete(group.id);
    });
  }

  #forgetIfNothing(group: HeldGroup): void {
    if (group.isNothing && this.#groups.get(group.id) === group) this.#groups.delete(group.id);
  }
}

function deliver(effect: GroupEffect<GroupToken>): void {
  if (effect.kind !== 'store' && effect.kind !== 'happened') effect.token(effect);
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}\0${partition}`;
}

function begin(group: HeldGroup, { topic, partition }: TopicPartition): void {
  const key = placeOf({ topic, partition });
  const known = group.committing.get(key);
  if (known === undefined) group.committing.set(key, { topic, partition, count: 1 });
  else known.count++;
}

function end(group: HeldGroup, place: TopicPartition): void {
  const key = placeOf(place);
  const known = group.committing.get(key);
  assert(known !== undefined, 'a commit ends that had begun');
  if (--known.count === 0) group.committing.delete(key);
}

function groupOutcomeOf(outcome: WriteOutcome): StoreOutcome<GroupError> {
  return outcome.kind === 'committed'
    ? { kind: 'committed' }
    : { kind: 'refused', error: errorOfRefusedRecord(outcome.refusal.code) };
}

function commitErrorOf({ code }: Refusal): GroupError {
  return code === 'MESSAGE_TOO_LARGE' ? 'INVALID_COMMIT_OFFSET_SIZE' : errorOfRefusedRecord(code);
}
