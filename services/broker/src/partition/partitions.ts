import type { Clock } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { leaderEpoch, offset, uuidToBytes } from '@weir/base/ids.ts';
import type { Offset, TopicId } from '@weir/base/ids.ts';
import { assert } from '@weir/base/assert.ts';
import { topicDefaults } from '@weir/base/broker-configs.ts';
import { minInSyncReplicas } from '@weir/base/topic-configs.ts';
import { APPLY_SLICE_MS, FOLDERS_PER_CHECKPOINT, WRITE_RETRY_MS } from '@weir/base/limits.ts';
import type { ClusterImage, ImageChange, PartitionInfo, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { Deletion } from './deletion.ts';
import { Doubts } from './doubts.ts';
import type { DoubtToReport } from './doubts.ts';
import { directoryOf, openExisting, openNew } from './open-log.ts';
import type { LastRun, OpenedPartition } from './open-log.ts';
import { folderOf, folderOfDeleted, keyOfFolder, LatestId, latin1 } from './partition-key.ts';
import type { PartitionKey } from './partition-key.ts';
import { Partition } from './partition.ts';
import type { PartitionShared } from './partition-parts.ts';
import type { DoubtfulReplica, PartitionsParts, RecoveryProgress } from './partitions-parts.ts';
import * as refusals from './refusals.ts';
import { TopicAdoption } from './topic-adoption.ts';

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
  readonly #latestId = new LatestId();
  readonly #all = new Set<Partition>();
  readonly #doubts = new Doubts();
  /** In the checkpoint, and without a folder: they stay in it until they are made again. */
  readonly #missing = new Map<string, Offset>();
  #lastRun: LastRun = {
    checkpoint: new Map(),
    highWatermarks: new Map(),
    cleanShutdown: false,
    journalEnds: new Map(),
    journalDamaged: false,
    journalRefused: [],
  };
  /** Deleted or set aside, and their folders' new names are not durable yet: in the checkpoint until then, or they would be missing. */
  readonly #leaving = new Map<string, Offset>();
  readonly #deletion: Deletion;
  readonly #topics: TopicAdoption;
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
    this.#topics = new TopicAdoption(parts);
    this.#deletion = new Deletion({
      disk: parts.disk,
      clock: parts.clock,
      renamed: (folders) => {
        for (const folder of folders) this.#leaving.delete(folder);
        // One that was set aside leaves its place to a new one.
        for (const folder of folders) this.#reconsider(keyOfFolder(folder)!);
        if (this.#todo.size > 0 && !this.#working) this.#work();
      },
      forget: () => parts.events.forgotten(),
      failed: (error) => parts.events.deletionFailed(error),
    });
    this.#shared = {
      brokerId: parts.brokerId,
      clock: parts.clock,
      replicator: parts.replicator,
      turn: parts.turn,
      pending: { bytes: 0, maxBytes: parts.appendPendingBytesMax, everBytes: 0 },
      room: parts.room,
      syncFailed: (partition, error) => parts.events.syncFailed(partition, error),
      wentOffline: (partition, reason, cause) => parts.events.wentOffline(partition, reason, cause),
      damaged: (partition, spokeIn) => {
        this.#doubts.foundDamage(partition.folder, partition.key, spokeIn);
        parts.metrics.damaged();
        parts.replicator.doubtful();
      },
      rolled: () => parts.events.rolled(),
      watermarkLowered: () => parts.events.watermarkLowered(),
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
      if (found.doubt !== undefined) this.#doubts.foundAtStart(folder, { key, doubt: found.doubt }, found);
      if (found.report === undefined) this.#parts.metrics.damaged();
      opened++;
      yield { opened, total: folders.length };
    }
    for (const [folder, checkpoint] of lastRun.checkpoint) {
      const key = keyOfFolder(folder);
      if (key === undefined || present.has(folder)) continue;
      this.#missing.set(folder, checkpoint);
      this.#doubts.foundAtStart(folder, { key, doubt: 'missing' }, { heals: true });
      this.#parts.metrics.missing();
    }
    // Not before: the checkpoint is written without them, and has to have all others by then.
    for (const folder of deleted) this.#deletion.addRenamed(folder);
  }

  /** What the registration lists: replicas that are not to be trusted. */
  doubtful(): DoubtfulReplica[] {
    return this.#doubts.list();
  }

  /** Those that the coordinator has to be told of, as the metadata stands. */
  doubtsToReport(): DoubtToReport[] {
    const infoOf = ({ topicId, index }: PartitionKey): PartitionInfo | undefined =>
      this.#image?.topicById(topicId)?.partitions[index];
    return this.#doubts.toReport(infoOf, this.#parts.brokerId);
  }

  /**
   * The registration that listed them is committed. Those that were only unsynced are what they are from now on: the
   * same process may register again without having lost anything more.
   */
  registered(): void {
    this.#doubts.registered();
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
        case 'brokerGone':
          break;
      }
    }
    if (!this.#working) this.#work();
    if (this.#doubts.size > 0) this.#parts.replicator.doubtful();
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
    for (const [, key] of this.#doubts.entries()) ids.add(key.topicId);
    return [...ids].filter((id) => image.topicById(id) === undefined);
  }

  /** Removes the replicas of a topic that was deleted for certain: its requests are refused, then its folders go. */
  deleteTopic(id: TopicId): void {
    // Whoever says so, and whatever the proof: what the metadata has is kept.
    if (this.#closed || this.#image?.topicById(id) !== undefined) return;
    for (const [folder, { key }] of this.#todo) if (key.topicId === id) this.#todo.delete(folder);
    for (const [folder, key] of this.#doubts.entries()) {
      if (key.topicId !== id) continue;
      this.#doubts.remove(folder);
      this.#missing.delete(folder);
    }
    const idBytes = latin1(uuidToBytes(id));
    const ofTopic = this.#byTopic.get(idBytes) ?? [];
    this.#byTopic.delete(idBytes);
    for (const partition of ofTopic) if (partition !== undefined) this.#remove(partition);
  }

  /** Lets go of a replica, and has its folder removed. */
  #remove(partition: Partition): void {
    const { folder, key } = partition;
    this.#leaving.set(folder, partition.checkpointable ?? this.#knownOfLastRun(folder));
    const ofTopic = this.#byTopic.get(latin1(uuidToBytes(key.topicId)));
    if (ofTopic !== undefined) ofTopic[key.index] = undefined;
    this.#all.delete(partition);
    this.#topics.forget(partition);
    this.#unnamed.delete(folder);
    partition.retire();
    this.#deletion.add(folder);
    if (this.#image?.topic(partition.topic.name) === undefined) this.#parts.metrics.forgetTopic(partition.topic.name);
  }

  /** The replica that serves a partition, or why there is none. `leaderEpoch` -1: the client knows none. */
  serving(topicIdBytes: Uint8Array, index: number, epoch: number): Partition | Refusal {
    const partition = this.#find(topicIdBytes, index);
    if (partition === undefined) return refusals.absent(topicIdBytes, index, this.#image, this.#parts.brokerId);
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

  /** What is to be in the file of high watermarks: those that are more than the log's start. */
  highWatermarks(): Map<string, Offset> {
    const offsets = new Map<string, Offset>();
    for (const partition of this.#all) {
      const { highWatermark, folder } = partition;
      if (highWatermark > 0) offsets.set(folder, highWatermark);
    }
    return offsets;
  }

  /** Up to where the last run had made a log durable, in its own files or in the journal. */
  #knownOfLastRun(folder: string): Offset {
    const { checkpoint, journalEnds } = this.#lastRun;
    return offset(Math.max(checkpoint.get(folder) ?? 0, journalEnds.get(directoryOf(folder)) ?? 0));
  }

  get pendingBytes(): number {
    return this.#shared.pending.bytes;
  }

  /** Of all that producers have written since the start. */
  get appendedBytes(): number {
    return this.#shared.pending.everBytes;
  }

  /** Whether the disk is still at work on a sync that was started. */
  get syncing(): boolean {
    for (const partition of this.#all) if (partition.syncing) return true;
    return false;
  }

  /** How many do what. */
  counts(): { leader: number; follower: number; unassigned: number; offline: number } {
    const counts = { leader: 0, follower: 0, unassigned: 0, offline: 0 };
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
      // Not deleted: that a topic is gone needs better proof than that an image lacks it (rule 13 in docs/INVARIANTS.md).
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
    if (partition !== undefined && this.#doubts.step(folder, info, me) === 'beginAnew') {
      // One that cannot even be opened goes, whatever is wrong with its folder, and then a new one is made.
      if (!partition.hasLog) return this.#remove(partition);
      this.#beginAnew(partition, { key, topic, info });
    }
    // What is missing is in nobody's way, and another one has it: it is made as one that never was.
    const isGivenUp = info.leader !== -1 && info.leader !== me && !info.isr.includes(me) && !info.elr.includes(me);
    if (!info.replicas.includes(me)) {
      this.#todo.delete(folder);
      partition?.unassign();
    } else if (info.leader !== me && partition !== undefined) {
      this.#todo.delete(folder);
      this.#follow(partition, info);
    } else if (partition !== undefined && this.#isLedAs(partition, info)) {
      // Only its replicas have changed.
      this.#lead(partition, topic, info);
    } else if ((info.leader === me || isGivenUp || !this.#missing.has(folder)) && !this.#leaving.has(folder)) {
      this.#todo.set(folder, { key, topic, info });
    }
  }

  /** The same with what is known by now. */
  #reconsider({ topicId, index }: PartitionKey): void {
    const topic = this.#image?.topicById(topicId);
    const info = topic?.partitions[index];
    if (topic !== undefined && info !== undefined) this.#consider(topic, info);
  }

  /** What was damaged is in nobody's way, and another one has it: it is replicated anew. */
  #beginAnew(partition: Partition, assignment: Assignment): void {
    if (!partition.beginAnew()) return this.#againLater(assignment);
    if (partition.state.kind === 'offline') return;
    if (this.#doubts.remove(partition.folder)) this.#parts.replicator.beginsAnew(partition);
  }

  /** What topics have that set nothing themselves has changed. */
  #adoptTopics(image: ClusterImage): void {
    for (const partition of this.#all) {
      const topic = image.topicById(partition.key.topicId);
      if (topic === undefined) continue;
      this.#adoptTopic(partition, topic);
      // How many have to be in sync may be another number now.
      const info = topic.partitions[partition.key.index];
      if (info !== undefined && this.#isLedAs(partition, info)) this.#lead(partition, topic, info);
    }
  }

  #adoptTopic(partition: Partition, topic: TopicInfo): void {
    const image = this.#image;
    assert(image !== undefined, 'a topic comes with an image');
    this.#topics.adopt(partition, topic, image);
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
        if (info.leader !== this.#parts.brokerId) this.#follow(partition, info);
        else if (!this.#lead(partition, topic, info)) this.#againLater(assignment);
      }
      if (this.#clock.monotonicMs() >= until) break;
    }
    if (this.#todo.size === 0) this.#nameFolders();
    this.#working = this.#todo.size > 0;
    if (this.#working) this.#clock.endOfTurn(() => this.#work());
    else if (this.#postponed === 0 && !this.#closed) this.#parts.events.takenUp();
  }

  #follow(partition: Partition, { leader, leaderEpoch: epoch, uncleanEpoch }: PartitionInfo): void {
    partition.follow(leader, epoch, uncleanEpoch);
    this.#parts.replicator.isrChanged(partition);
  }

  /** Whether it leads already, in the epoch that the metadata names. */
  #isLedAs({ leadership }: Partition, { leader, leaderEpoch: epoch }: PartitionInfo): boolean {
    return leader === this.#parts.brokerId && leadership?.epoch === epoch;
  }

  /** False: there is no room for it now. */
  #lead(partition: Partition, { configs }: TopicInfo, info: PartitionInfo): boolean {
    const { partitionEpoch, replicas, isr, isrEpochs } = info;
    const image = this.#image;
    assert(image !== undefined, 'leadership comes with an image');
    const defaults = topicDefaults(image.brokerConfigs('default'), {});
    return partition.lead(leaderEpoch(info.leaderEpoch), {
      partitionEpoch,
      replicas,
      isr: isr.map((broker, i) => ({ broker, epoch: isrEpochs[i] ?? 0 })),
      minInSync: minInSyncReplicas(configs, defaults, replicas.length),
    });
  }

  #make(folder: string, { key, topic }: Assignment): void {
    const partition = this.#add(key, openNew(folder, this.#parts, topic, this.#knownOfLastRun(folder)));
    this.#adoptTopic(partition, topic);
    this.#unnamed.set(folder, partition);
    this.#missing.delete(folder);
    if (partition.hasLog && this.#doubts.remove(folder)) this.#parts.replicator.beginsAnew(partition);
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
      if (this.#closed || this.#todo.has(folderOf(assignment.key))) return;
      this.#reconsider(assignment.key);
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
      highWatermark: this.#lastRun.highWatermarks.get(folderOf(key)) ?? offset(0),
      topic: { name: opened.topic, settings: opened.settings, counters: this.#parts.metrics.forTopic(opened.topic) },
      ...(offline === undefined ? {} : { offline }),
    });
    const id = latin1(uuidToBytes(key.topicId));
    const ofTopic = this.#byTopic.get(id) ?? [];
    assert(ofTopic[key.index] === undefined, `${partition.folder} is there once`);
    ofTopic[key.index] = partition;
    this.#byTopic.set(id, ofTopic);
    this.#all.add(partition);
    if (!opened.described) this.#topics.lacksFile(partition);
    if (offline !== undefined) this.#parts.events.wentOffline(partition, offline, undefined);
    return partition;
  }

  #find(topicIdBytes: Uint8Array, index: number): Partition | undefined {
    return this.#byTopic.get(this.#latestId.text(topicIdBytes))?.[index];
  }
}
