import type { Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { leaderEpoch, offset, uuidFromBytes, uuidToBytes } from '@weir/base/ids.ts';
import type { BrokerId, Offset, TopicId } from '@weir/base/ids.ts';
import { assert } from '@weir/base/assert.ts';
import { APPLY_SLICE_MS, FOLDERS_PER_CHECKPOINT, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import type { ClusterImage, ImageChange, PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import type { DiskRoom } from '../disk-room.ts';
import type { BrokerMetrics } from '../metrics.ts';
import { Deletion } from './deletion.ts';
import { directoryOf, openExisting, openNew } from './open-log.ts';
import type { Doubt, LastRun, LogHome, OpenedPartition } from './open-log.ts';
import { writePartitionFile } from './partition-file.ts';
import { folderOf, folderOfDeleted, keyOfFolder, latin1 } from './partition-key.ts';
import type { PartitionKey } from './partition-key.ts';
import { Partition } from './partition.ts';
import type { PartitionShared } from './partition.ts';
import { sameSettings, settingsInEffect } from './topic-settings.ts';
import type { FlushPolicy } from './topic-settings.ts';
import type { Turn } from './turn.ts';

/** What the partitions tell the broker. */
export interface PartitionEvents {
  /**
   * New folders exist: their names have to be on disk before they take records, or nobody would miss them later. Called
   * before they lead; false when the disk refused.
   */
  created(): boolean;
  syncFailed(partition: Partition, error: DiskError): void;
  wentOffline(partition: Partition, reason: string, cause: unknown): void;
  /** A segment was sealed: a good moment for a checkpoint. */
  rolled(): void;
  /** Deleted partitions left the checkpoint, which is to be written; false when the disk refused. */
  forgotten(): boolean;
  /** The disk refuses to remove deleted partitions; it is tried again. */
  deletionFailed(error: DiskError): void;
  /** All that the metadata places here, as far as it is known, is led, followed or offline. */
  takenUp(): void;
}

/** What the partitions need. */
export interface PartitionsParts extends LogHome {
  readonly brokerId: BrokerId;
  readonly turn: Turn;
  readonly metrics: BrokerMetrics;
  readonly appendPendingBytesMax: number;
  readonly room: DiskRoom;
  readonly events: PartitionEvents;
}

/** A replica that the registration has to list. */
export interface DoubtfulReplica {
  readonly key: PartitionKey;
  readonly doubt: Doubt;
}

/** How far the recovery is. */
export interface RecoveryProgress {
  readonly opened: number;
  readonly total: number;
}

interface Assignment {
  readonly key: PartitionKey;
  readonly topic: TopicInfo;
  readonly info: PartitionInfo;
}

/** All replicas on this broker. What they do follows from the metadata, and from nothing else. */
export class Partitions {
  readonly #parts: PartitionsParts;
  readonly #shared: PartitionShared;
  readonly #clock: Clock;
  /** By the id's 16 bytes as a Latin-1 string, which costs less per request than its 36 characters; then by index. */
  readonly #byTopic = new Map<string, (Partition | undefined)[]>();
  readonly #all = new Set<Partition>();
  readonly #doubts = new Map<string, DoubtfulReplica>();
  /** In the checkpoint, and without a folder: they stay in it until they are made again. */
  readonly #missing = new Map<string, Offset>();
  #lastRun: LastRun = {
    checkpoint: new Map(),
    cleanShutdown: false,
    journalEnds: new Map(),
    journalDamaged: false,
    journalRefused: [],
  };
  /** Deleted, and their folders' new names are not durable yet: in the checkpoint until then, or they would be missing. */
  readonly #leaving = new Map<string, Offset>();
  readonly #deletion: Deletion;
  /** Their folders lack the file that tells the topic's configs. */
  readonly #undescribed = new Set<Partition>();
  /** What the metadata wants and needs the disk, newest wish per folder. */
  readonly #todo = new Map<string, Assignment>();
  /** Made, and the names of their folders are not durable yet. */
  readonly #unnamed = new Map<string, Partition>();
  /** Those that the disk had no room for, and that are tried again. */
  #postponed = 0;
  #working = false;
  #closed = false;
  #image: ClusterImage | undefined;

  constructor(parts: PartitionsParts) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#deletion = new Deletion({
      disk: parts.disk,
      clock: parts.clock,
      renamed: (folders) => {
        for (const folder of folders) this.#leaving.delete(folder);
      },
      forget: () => parts.events.forgotten(),
      failed: (error) => parts.events.deletionFailed(error),
    });
    this.#shared = {
      turn: parts.turn,
      pending: { bytes: 0, maxBytes: parts.appendPendingBytesMax },
      room: parts.room,
      syncFailed: (partition, error) => parts.events.syncFailed(partition, error),
      wentOffline: (partition, reason, cause) => parts.events.wentOffline(partition, reason, cause),
      rolled: () => parts.events.rolled(),
      synced: (durationMs) => parts.metrics.syncSeconds.observe(durationMs / 1_000),
    };
  }

  /**
   * Opens every log that an earlier run left, one a step, so that the caller can let others run in between.
   *
   * @throws Error when a newer Weir wrote one of them
   */
  *recover(lastRun: LastRun): Generator<RecoveryProgress, void, void> {
    this.#lastRun = lastRun;
    this.#parts.disk.makeDirectory('partitions');
    const names = this.#parts.disk.list('partitions') ?? [];
    const folders = names.filter((name) => keyOfFolder(name) !== undefined);
    const deleted = names.flatMap((name) => folderOfDeleted(name) ?? []);
    const present = new Set([...folders, ...deleted]);
    let opened = 0;
    for (const folder of folders) {
      const key = keyOfFolder(folder)!;
      const found = openExisting(folder, this.#parts, lastRun);
      this.#add(key, found);
      if (found.doubt !== undefined) this.#doubts.set(folder, { key, doubt: found.doubt });
      opened++;
      yield { opened, total: folders.length };
    }
    for (const [folder, checkpoint] of lastRun.checkpoint) {
      const key = keyOfFolder(folder);
      if (key === undefined || present.has(folder)) continue;
      this.#missing.set(folder, checkpoint);
      this.#doubts.set(folder, { key, doubt: 'missing' });
      this.#parts.metrics.missing();
    }
    // Not before: the checkpoint is written without them, and has to have all others by then.
    for (const folder of deleted) this.#deletion.addRenamed(folder);
  }

  /** What the registration lists: replicas that are not to be trusted. */
  doubtful(): DoubtfulReplica[] {
    return [...this.#doubts.values()];
  }

  /**
   * The registration that listed them is committed. Those that were only unsynced are what they are from now on: the
   * same process may register again without having lost anything more.
   */
  registered(): void {
    for (const [folder, { doubt }] of this.#doubts) {
      if (doubt === 'unsynced') this.#doubts.delete(folder);
    }
  }

  /** Does what changed in the metadata. What needs the disk is done in slices, with the loop free in between. */
  apply(image: ClusterImage, changes: readonly ImageChange[]): void {
    this.#image = image;
    for (const change of changes) {
      switch (change.kind) {
        case 'all':
          this.#applyAll(image);
          break;
        case 'topic':
          for (const info of change.topic.partitions) this.#consider(change.topic, info);
          break;
        case 'partition':
          this.#consider(change.topic, change.partition);
          break;
        case 'topicDeleted':
          this.deleteTopic(change.id);
          break;
        case 'configs':
          this.#adoptTopics(image);
          break;
        case 'broker':
          break;
      }
    }
    if (!this.#working) this.#work();
  }

  /** How many the metadata places here that are not taken up yet. */
  get toTakeUp(): number {
    return this.#todo.size + this.#postponed;
  }

  /** Whether there is metadata that has not been acted upon. */
  get busy(): boolean {
    return this.#todo.size > 0 || this.#deletion.pending > 0;
  }

  /** Topics that it holds records of and the metadata lacks. That is no proof that they were deleted (rule 13). */
  orphanTopics(): TopicId[] {
    const image = this.#image;
    if (image === undefined) return [];
    const ids = new Set<TopicId>();
    for (const { key } of this.#all) ids.add(key.topicId);
    for (const { key } of this.#doubts.values()) ids.add(key.topicId);
    return [...ids].filter((id) => image.topicById(id) === undefined);
  }

  /** Removes the replicas of a topic that was deleted for certain: its requests are refused, then its folders go. */
  deleteTopic(id: TopicId): void {
    // Whoever says so, and whatever the proof: what the metadata has is kept.
    if (this.#closed || this.#image?.topicById(id) !== undefined) return;
    for (const [folder, { key }] of this.#todo) if (key.topicId === id) this.#todo.delete(folder);
    for (const [folder, { key }] of this.#doubts) {
      if (key.topicId !== id) continue;
      this.#doubts.delete(folder);
      this.#missing.delete(folder);
    }
    const idBytes = latin1(uuidToBytes(id));
    const ofTopic = this.#byTopic.get(idBytes) ?? [];
    this.#byTopic.delete(idBytes);
    for (const partition of ofTopic) if (partition !== undefined) this.#remove(partition);
  }

  #remove(partition: Partition): void {
    const { folder } = partition;
    this.#leaving.set(folder, partition.checkpointable ?? this.#knownOfLastRun(folder));
    this.#all.delete(partition);
    this.#undescribed.delete(partition);
    this.#unnamed.delete(folder);
    partition.retire();
    this.#deletion.add(folder);
    if (this.#image?.topic(partition.topic.name) === undefined) this.#parts.metrics.forgetTopic(partition.topic.name);
  }

  /** The replica that serves a partition, or why there is none. `leaderEpoch` -1: the client knows none. */
  serving(topicIdBytes: Uint8Array, index: number, epoch: number): Partition | Refusal {
    const partition = this.#find(topicIdBytes, index);
    if (partition === undefined) return this.#whyAbsent(topicIdBytes, index);
    return partition.problem(epoch) ?? partition;
  }

  /** All of them, in no order. */
  all(): IterableIterator<Partition> {
    return this.#all.values();
  }

  /** What is to be in the checkpoint file. */
  checkpoint(): Map<string, Offset> {
    const offsets = new Map([...this.#missing, ...this.#leaving]);
    for (const partition of this.#all) {
      // One that could not be opened keeps its name in the file: its folder is expected to be there.
      // And what its log had made durable: lost, damage below it would be taken for a torn tail.
      const known = partition.checkpointable ?? this.#knownOfLastRun(partition.folder);
      offsets.set(partition.folder, known);
    }
    return offsets;
  }

  /** Up to where the last run had made a log durable, in its own files or in the journal. */
  #knownOfLastRun(folder: string): Offset {
    const { checkpoint, journalEnds } = this.#lastRun;
    return offset(Math.max(checkpoint.get(folder) ?? 0, journalEnds.get(directoryOf(folder)) ?? 0));
  }

  /** Of all logs. */
  sizeBytes(): number {
    let bytes = 0;
    for (const partition of this.#all) bytes += partition.sizeBytes;
    return bytes;
  }

  get pendingBytes(): number {
    return this.#shared.pending.bytes;
  }

  /** Whether the disk is still at work on a sync that was started. */
  get syncing(): boolean {
    for (const partition of this.#all) if (partition.syncing) return true;
    return false;
  }

  /** How many do what. */
  counts(): { leader: number; standby: number; unassigned: number; offline: number } {
    const counts = { leader: 0, standby: 0, unassigned: 0, offline: 0 };
    for (const { state } of this.#all) if (state.kind !== 'deleted') counts[state.kind]++;
    return counts;
  }

  /** Answers all that wait with the reason, and closes every log. False: not all of them could be closed in order. */
  close(why: Refusal, clean: boolean): boolean {
    this.#closed = true;
    this.#todo.clear();
    this.#deletion.stop();
    let inOrder = clean;
    for (const partition of this.#all) {
      partition.dismissAll(why);
      try {
        if (!partition.close(clean)) inOrder = false;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        partition.goOffline(`closing its log failed: ${error.message}`, error);
        inOrder = false;
      }
    }
    return inOrder;
  }

  #applyAll(image: ClusterImage): void {
    this.#todo.clear();
    for (const partition of this.#all) {
      // Not deleted: that a topic is gone needs better proof than that an image lacks it (reliability.md, rule 13).
      if (image.topicById(partition.key.topicId) === undefined) partition.unassign();
    }
    for (const topic of image.topics()) {
      for (const info of topic.partitions) this.#consider(topic, info);
    }
  }

  /** To lose leadership costs nothing and is done at once; to gain it, or a new replica, waits for the disk. */
  #consider(topic: TopicInfo, info: PartitionInfo): void {
    const key: PartitionKey = { topicId: topic.id, index: info.index };
    const folder = folderOf(key);
    const partition = this.#find(topic.idBytes, info.index);
    if (partition !== undefined) this.#adoptTopic(partition, topic);
    const me: number = this.#parts.brokerId;
    if (!info.replicas.includes(me)) {
      this.#todo.delete(folder);
      partition?.unassign();
    } else if (info.leader !== me && partition !== undefined) {
      this.#todo.delete(folder);
      partition.follow(info.leader, info.leaderEpoch);
    } else if (info.leader === me || !this.#missing.has(folder)) {
      this.#todo.set(folder, { key, topic, info });
    }
  }

  /** What topics have that set nothing themselves has changed. */
  #adoptTopics(image: ClusterImage): void {
    for (const partition of this.#all) {
      const topic = image.topicById(partition.key.topicId);
      if (topic !== undefined) this.#adoptTopic(partition, topic);
    }
  }

  #adoptTopic(partition: Partition, topic: TopicInfo): void {
    const image = this.#image;
    assert(image !== undefined, 'a topic comes with an image');
    const settings = settingsInEffect(topic.configs, image, this.#parts);
    const { name, settings: known } = partition.topic;
    if (this.#undescribed.has(partition)) this.#describe(partition, topic, known.flush);
    // How a log is written is settled when it is opened.
    const adopted = { ...settings, flush: known.flush };
    if (name === topic.name && sameSettings(known, adopted)) return;
    partition.topic = {
      name: topic.name,
      settings: adopted,
      counters: this.#parts.metrics.forTopic(topic.name),
    };
  }

  /** Gives a folder the file that it lost. Its log goes on as it was opened; the next start opens it as the topic says. */
  #describe(partition: Partition, topic: TopicInfo, flush: FlushPolicy): void {
    try {
      const file = { topic: topic.name, configs: topic.configs, flush };
      writePartitionFile(this.#parts.disk, directoryOf(partition.folder), file);
      this.#undescribed.delete(partition);
    } catch (error) {
      // The next metadata tries again; meanwhile it is as safe as it was.
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /**
   * One slice. Folders that are new are made first, and go to the end of the queue; when the first of them comes again,
   * all are made, and their names go to disk at once; then come leadership and followership.
   */
  #work(): void {
    const until = this.#clock.monotonicMs() + APPLY_SLICE_MS;
    for (const [folder, assignment] of this.#todo) {
      const { topic, key, info } = assignment;
      const partition = this.#find(topic.idBytes, key.index);
      this.#todo.delete(folder);
      if (partition === undefined) {
        this.#make(folder, assignment);
        this.#todo.set(folder, assignment);
        if (this.#unnamed.size >= FOLDERS_PER_CHECKPOINT) this.#nameFolders();
      } else {
        if (this.#unnamed.has(folder)) this.#nameFolders();
        if (info.leader !== this.#parts.brokerId) partition.follow(info.leader, info.leaderEpoch);
        else if (!partition.lead(leaderEpoch(info.leaderEpoch))) this.#againLater(assignment);
      }
      if (this.#clock.monotonicMs() >= until) break;
    }
    if (this.#todo.size === 0) this.#nameFolders();
    this.#working = this.#todo.size > 0;
    if (this.#working) this.#clock.endOfTurn(() => this.#work());
    else if (this.#postponed === 0 && !this.#closed) this.#parts.events.takenUp();
  }

  #make(folder: string, { key, topic }: Assignment): void {
    const partition = this.#add(key, openNew(folder, this.#parts, topic));
    this.#adoptTopic(partition, topic);
    this.#unnamed.set(folder, partition);
    this.#missing.delete(folder);
    this.#doubts.delete(folder);
  }

  /** Makes the names of the new folders durable, and tells the broker, whose checkpoint misses them from now on. */
  #nameFolders(): void {
    if (this.#unnamed.size === 0) return;
    const made = [...this.#unnamed.values()];
    this.#unnamed.clear();
    if (this.#syncFolders() && this.#parts.events.created()) return;
    for (const partition of made) partition.goOffline('its name could not be written to the checkpoint');
  }

  #syncFolders(): boolean {
    try {
      this.#parts.disk.syncDirectory('partitions');
      return true;
    } catch (error) {
      if (error instanceof DiskError) return false;
      throw error;
    }
  }

  /** The disk has no room for it, or the process no descriptor: unless there is newer metadata by then, once more. */
  #againLater(assignment: Assignment): void {
    this.#postponed++;
    this.#clock.after(WRITE_RETRY_MS, () => {
      this.#postponed--;
      const folder = folderOf(assignment.key);
      if (this.#closed || this.#todo.has(folder)) return;
      const info = this.#image?.topicById(assignment.topic.id)?.partitions[assignment.key.index];
      if (info !== undefined) this.#consider(assignment.topic, info);
      if (!this.#working) this.#work();
    });
  }

  #add(key: PartitionKey, opened: OpenedPartition): Partition {
    const { log, offline } = opened;
    if (opened.report !== undefined) this.#parts.metrics.recovered(opened.report);
    const partition = new Partition({
      key,
      log,
      shared: this.#shared,
      topic: { name: opened.topic, settings: opened.settings, counters: this.#parts.metrics.forTopic(opened.topic) },
      ...(offline === undefined ? {} : { offline }),
    });
    const id = latin1(uuidToBytes(key.topicId));
    const ofTopic = this.#byTopic.get(id) ?? [];
    assert(ofTopic[key.index] === undefined, `${partition.folder} is there once`);
    ofTopic[key.index] = partition;
    this.#byTopic.set(id, ofTopic);
    this.#all.add(partition);
    if (!opened.described) this.#undescribed.add(partition);
    if (offline !== undefined) this.#parts.events.wentOffline(partition, offline, undefined);
    return partition;
  }

  #find(topicIdBytes: Uint8Array, index: number): Partition | undefined {
    return this.#byTopic.get(latin1(topicIdBytes))?.[index];
  }

  #whyAbsent(topicIdBytes: Uint8Array, index: number): Refusal {
    if (topicIdBytes.length !== 16) {
      return refusal('INVALID_REQUEST', `a topic id has 16 bytes, this one has ${topicIdBytes.length}`);
    }
    const id = uuidFromBytes(topicIdBytes) as TopicId;
    const topic = this.#image?.topicById(id);
    if (topic === undefined) return refusal('UNKNOWN_TOPIC_ID', `this broker does not know a topic with the id ${id}`);
    const info = topic.partitions[index];
    if (info === undefined) {
      return refusal(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `topic ${topic.name} has the partitions 0 to ${topic.partitions.length - 1}, and no ${index}`,
      );
    }
    return refusal(
      'NOT_LEADER_OR_FOLLOWER',
      info.leader === this.#parts.brokerId
        ? `this broker is about to lead ${topic.name}-${index}`
        : `this broker does not lead ${topic.name}-${index}`,
    );
  }
}
