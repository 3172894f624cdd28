import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { ERRORS, messageOf, refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import {
  APPLY_SLICE_MS,
  CHECKPOINT_INTERVAL_MS,
  COLD_READS_MAX,
  JOURNAL_FILE_BYTES,
  JOURNAL_FILE_BYTES_MIN,
  JOURNAL_FILE_DISK_SHARE,
  OPEN_FILES_SHARE,
  SLAB_BYTES,
  STOP_GRACE_MS,
} from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import type { Listener } from '@weir/base/transport.ts';
import { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import type { SessionHandlers } from '@weir/client/metadata/coordinator-session.ts';
import { Journal } from '@weir/log/journal/journal.ts';
import { replayJournal } from '@weir/log/journal/replay-journal.ts';
import { OpenFiles } from '@weir/log/open-files.ts';
import type { RetentionReport } from '@weir/log/retention.ts';
import { TailCache } from '@weir/log/tail-cache.ts';
import { CoordinatorService, DescribeTopicIdsRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { TopicIdState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { OwnedDirectory, World } from '@weir/runtime/world.ts';
import type { Budgets } from './budgets.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import { DataDirectory } from './data-directory.ts';
import type { LastStop } from './data-directory.ts';
import { DiskRoom } from './disk-room.ts';
import { SyncWatch } from './sync-watch.ts';
import type { Syncing } from './sync-watch.ts';
import { leadPartitions, topicSizes } from './measured-partitions.ts';
import { BrokerMetrics } from './metrics.ts';
import { OrphanCheck } from './orphan-check.ts';
import type { LastRun } from './partition/open-log.ts';
import type { Partition } from './partition/partition.ts';
import { Partitions } from './partition/partitions.ts';
import { Retention } from './partition/retention.ts';
import type { FlushPolicy } from './partition/topic-settings.ts';
import { Turn } from './partition/turn.ts';
import { Readiness } from './readiness.ts';
import { newIncarnation, registrationOf } from './registration.ts';
import { FrontDoor } from './kafka/front-door.ts';
import type { KafkaNetwork } from './kafka/front-door.ts';
import { ColdGate } from './rpc/cold-gate.ts';
import { Fetch } from './rpc/fetch.ts';
import { deleteRecordsHandler } from './rpc/delete-records.ts';
import { listOffsetsHandler } from './rpc/list-offsets.ts';
import { Produce } from './rpc/produce.ts';

/** How often a long recovery says how far it is. */
const PROGRESS_INTERVAL_MS = 2_000;

const DESCRIBE_TOPIC_IDS = protobufMethod(CoordinatorService.method.describeTopicIds);

const SHUTTING_DOWN: Refusal = refusal('SHUTTING_DOWN', 'this broker is shutting down');

/** What a broker is, apart from the world. */
export interface BrokerSettings {
  readonly brokerId: BrokerId;
  /** The data directory, for messages. */
  readonly path: string;
  /** For topics that do not say. */
  readonly flush: FlushPolicy;
  readonly budgets: Budgets;
}

/** Where it is reached, and whom it reaches. */
export interface BrokerNetwork {
  readonly kafka: KafkaNetwork;
  readonly listen: string;
  readonly advertise: string | undefined;
  readonly coordinators: readonly string[];
  readonly rack: string;
}

/** A broker from its recovery to its stop: `recover`, then `serve`, then `stop`. */
export class Broker {
  readonly partitions: Partitions;
  readonly #settings: BrokerSettings;
  readonly #world: World;
  readonly #owned: OwnedDirectory;
  readonly #directory: DataDirectory;
  readonly #metrics: BrokerMetrics;
  readonly #cache: TailCache;
  readonly #files: OpenFiles;
  readonly #journal: Journal;
  readonly #room: DiskRoom;
  readonly #syncWatch: SyncWatch;
  readonly #checkpoints: CheckpointKeeper;
  readonly #retention: Retention;
  readonly #orphans: OrphanCheck;
  readonly #readiness: Readiness;
  readonly #produce: Produce;
  readonly #fetch: Fetch;
  readonly #kafka: FrontDoor;
  #listener: Listener | undefined;
  #session: CoordinatorSession | undefined;
  #cancelCheckpoints: Cancel | undefined;
  /** The registration's revision; undefined before the first. */
  #brokerEpoch: number | undefined;
  #syncFailed = false;
  #stopped: Promise<void> | undefined;

  /** @throws Error when the directory is another broker's or a newer Weir's */
  constructor(settings: BrokerSettings, world: World, owned: OwnedDirectory) {
    const { clock, registry, tracer } = world;
    this.#settings = settings;
    this.#world = world;
    this.#owned = owned;
    this.#directory = new DataDirectory(owned.disk, settings.path, settings.brokerId, world.random);
    this.#metrics = new BrokerMetrics(registry);
    const { disk } = owned;
    this.#cache = new TailCache(
      settings.budgets.tailCacheBytes,
      new Slabs({
        slabBytes: SLAB_BYTES,
        idleBytesMax: settings.budgets.slabIdleBytes,
        usedBytesMax: settings.budgets.slabUsedBytes,
      }),
      settings.budgets.readAheadBytes,
    );
    this.#files = new OpenFiles(disk, Math.floor(world.openFilesLimit * OPEN_FILES_SHARE));
    this.#journal = new Journal({ disk, clock, random: world.random });
    this.#files.onPressure = () => this.#journal.relieve();
    this.#room = new DiskRoom(disk, clock);
    const turn = new Turn(clock);
    this.partitions = new Partitions({
      disk,
      clock,
      cache: this.#cache,
      files: this.#files,
      journal: this.#journal,
      room: this.#room,
      turn,
      metrics: this.#metrics,
      brokerId: settings.brokerId,
      defaultFlush: settings.flush,
      appendPendingBytesMax: settings.budgets.appendPendingBytes,
      events: {
        created: () => this.#checkpoints.writeNow(),
        rolled: () => this.#checkpoints.write(),
        forgotten: () => this.#checkpoints.writeNow(),
        deletionFailed: (error) => {
          world.logger.warn({ err: error }, `deleted partitions cannot be removed yet: ${error.message}`);
        },
        wentOffline: (partition, reason, cause) => this.#wentOffline(partition, reason, cause),
        syncFailed: (partition, error) => this.#failSync(partition, error),
        takenUp: () => this.#readiness.takenUp(),
      },
    });
    this.#readiness = new Readiness({ clock, logger: world.logger, toTakeUp: () => this.partitions.toTakeUp });
    this.#retention = new Retention({
      clock,
      partitions: () => this.partitions.all(),
      removed: (partition, report) => this.#retained(partition, report),
    });
    this.#orphans = new OrphanCheck({
      clock,
      logger: world.logger,
      orphans: () => this.partitions.orphanTopics(),
      ask: (ids) => this.#describeTopicIds(ids),
      deleted: (id) => this.partitions.deleteTopic(id),
    });
    const { slabs } = this.#cache;
    this.#checkpoints = new CheckpointKeeper(this.#directory, this.partitions, world.logger, (error) =>
      this.#endAfterSync('the checkpoint', error),
    );
    this.#produce = new Produce({ partitions: this.partitions, clock, tracer, metrics: this.#metrics, slabs });
    const coldGate = new ColdGate(COLD_READS_MAX);
    const shared = { partitions: this.partitions, turn, metrics: this.#metrics, slabs, coldGate };
    this.#fetch = new Fetch(shared);
    const { brokerId, path, budgets } = settings;
    this.#kafka = new FrontDoor({
      ...shared,
      world,
      room: this.#room,
      brokerId,
      path,
      budgets,
      flush: settings.flush,
      session: () => this.#session,
      brokerEpoch: () => this.#brokerEpoch,
    });
    this.#syncWatch = new SyncWatch(() => this.#syncing(), world.logger);
    this.#metrics.watch({
      partitions: () => this.partitions.counts(),
      pendingBytes: () => this.partitions.pendingBytes,
      logBytes: () => this.partitions.sizeBytes(),
      tailCacheBytes: () => this.#cache.bytes,
      slabBytes: () => this.#cache.slabs.bytes,
      slabUsedBytes: () => this.#cache.slabs.usedBytes,
      readAheadBytes: () => this.#cache.readAhead.bytes,
      journalBytes: () => this.#journal.bytes,
      openFiles: () => this.#files.count,
      topicLogBytes: () => topicSizes(this.partitions.all()),
      leading: () => leadPartitions(this.partitions.all(), settings.brokerId),
      diskFreeBytes: () => this.#room.space.freeBytes,
      diskTotalBytes: () => this.#room.space.totalBytes,
      diskReserveBytes: () => this.#room.reserveBytes,
      longestSyncMs: () => this.#syncWatch.longestMs,
      subscriptions: () => this.#fetch.subscriptions,
      readyForced: () => this.#readiness.forced,
      kafka: this.#kafka,
    });
  }

  /**
   * Opens all logs that are on disk.
   *
   * @param breathe is awaited now and then, so that probes are answered meanwhile
   * @throws Error when a newer Weir wrote one of them
   */
  async recover(breathe: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#world;
    const lastStop = this.#directory.takeLastStop();
    if (lastStop.checkpointDamaged) {
      logger.warn('the checkpoint file is damaged: all logs are checked from their last segment on');
    }
    const startedMs = clock.monotonicMs();
    const lastRun = this.#replayJournal(lastStop);
    let sliceMs = startedMs;
    let saidMs = startedMs;
    for (const { opened, total } of this.partitions.recover(lastRun)) {
      const nowMs = clock.monotonicMs();
      if (nowMs - saidMs >= PROGRESS_INTERVAL_MS) {
        saidMs = nowMs;
        logger.info({ opened, total }, `recovering: ${opened} of ${total} logs are open`);
      }
      if (nowMs - sliceMs < APPLY_SLICE_MS) continue;
      await breathe();
      sliceMs = clock.monotonicMs();
    }
    this.#beginJournal(lastRun.journalRefused);
    const { clusterId } = this.#directory.identity;
    const doubtful = this.partitions.doubtful().map(({ key, doubt }) => `${key.topicId}-${key.index}: ${doubt}`);
    const clean = lastStop.cleanShutdown || clusterId === '';
    const facts = {
      clean,
      partitions: this.partitions.counts(),
      durationMs: Math.round(clock.monotonicMs() - startedMs),
    };
    if (doubtful.length > 0) logger.warn({ ...facts, doubtful }, 'recovered; some replicas are not to be trusted');
    else logger.info(facts, clean ? 'opened the logs' : 'recovered the logs after an unclean stop');
    this.#readiness.recovered();
  }

  /**
   * Listens, and registers.
   *
   * @throws Error (as a rejection) that names the address when it cannot be bound
   */
  async serve(network: BrokerNetwork): Promise<{ readonly grpc: string; readonly kafka: string }> {
    const { clock, transport, random } = this.#world;
    const kafka = await this.#kafka.serve(network.kafka);
    this.#listener = await transport.listen(network.listen, [
      this.#produce.handler,
      this.#fetch.handler,
      listOffsetsHandler(this.partitions),
      deleteRecordsHandler(this.partitions, clock),
    ]);
    const grpc = network.advertise ?? this.#listener.address;
    this.#cancelCheckpoints = clock.every(CHECKPOINT_INTERVAL_MS, () => {
      this.#checkpoints.write();
      this.#syncWatch.look(clock.monotonicMs());
    });
    this.#retention.start();
    const incarnationId = newIncarnation(random);
    const { clusterId } = this.#directory.identity;
    this.#session = new CoordinatorSession(
      {
        coordinators: network.coordinators,
        ...(clusterId === '' ? {} : { clusterId }),
        member: {
          kind: 'broker',
          registration: () => {
            const { identity } = this.#directory;
            const parts = { identity, grpcAddress: grpc, kafkaAddress: kafka, rack: network.rack, incarnationId };
            return registrationOf(parts, this.partitions.doubtful());
          },
        },
      },
      this.#world,
      this.#sessionHandlers(),
    );
    return { grpc, kafka };
  }

  /** Why clients should not come, or undefined. A coordinator that is away later changes nothing: what it leads, it serves. */
  notReady(): string | undefined {
    return this.#readiness.problem;
  }

  /** Takes nothing more, answers what it has taken, and lets go of everything in order. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { clock, logger } = this.#world;
    this.#readiness.stop();
    await new Promise<void>((resolve) => {
      const cancel = clock.after(STOP_GRACE_MS, resolve);
      // Whoever was taken from is answered, by either road.
      this.#produce.stop(() => {
        this.#kafka.stopProducing(() => {
          cancel();
          resolve();
        });
      });
    });
    this.#fetch.stop(SHUTTING_DOWN);
    this.#produce.end();
    await Promise.all([this.#listener?.close(STOP_GRACE_MS), this.#kafka.close(STOP_GRACE_MS)]);
    this.#session?.close();
    this.#cancelCheckpoints?.();
    this.#retention.stop();
    this.#orphans.stop();
    this.#journal.rest();
    await this.#lastSyncs();
    // A doubt that nobody has been told yet must be found again by the next start.
    const told = this.partitions.doubtful().every(({ doubt }) => doubt !== 'unsynced');
    const inOrder = this.partitions.close(SHUTTING_DOWN, !this.#syncFailed);
    this.#room.stop();
    this.#closeJournal(inOrder);
    if (this.#checkpoints.writeNow() && inOrder && told) this.#directory.markClean(this.#brokerEpoch ?? 0);
    else logger.warn('stopped without a clean marker: the next start checks the logs');
    this.#owned.release();
  }

  *#syncing(): Generator<Syncing> {
    yield { name: 'the journal', syncingSinceMs: this.#journal.syncingSinceMs };
    yield* this.partitions.all();
  }

  /** Puts what only the journal has into the logs' files. */
  #replayJournal({ checkpoint, cleanShutdown }: LastStop): LastRun {
    const { logger } = this.#world;
    const expected = !cleanShutdown && checkpoint.size > 0;
    const { ends, damage, groups, restored, refused } = replayJournal(this.#owned.disk, { expected });
    if (groups > 0) logger.info({ groups, restored }, `the journal gave back ${restored} of its ${groups} groups`);
    if (damage !== undefined) {
      logger.error(`the journal is damaged: ${damage}. Replicas may lack records that were acknowledged`);
    }
    this.#metrics.replayed(restored, damage !== undefined);
    return {
      checkpoint,
      cleanShutdown,
      journalEnds: ends,
      journalDamaged: damage !== undefined,
      journalRefused: refused,
    };
  }

  /**
   * What the last journal held is durable in the logs' own files by now, and what it proves of logs that could not be
   * opened is about to be in the checkpoint: then a new one takes its place. Else it stays, and logs sync for themselves.
   */
  #beginJournal(refused: readonly string[]): void {
    const { logger } = this.#world;
    this.#room.onChange = (full, { freeBytes, totalBytes }, reserveBytes) => {
      const facts = { freeBytes, totalBytes, reserveBytes };
      if (full) logger.error(facts, 'the disk is nearly full: no batches are taken until there is more room');
      else logger.info(facts, 'the disk has room again: batches are taken');
    };
    this.#room.start();
    this.#journal.onBroken = (error) => {
      if (error.duringSync) return this.#endAfterSync('the journal', error);
      logger.error({ err: error }, `the journal cannot be used any more, logs sync for themselves: ${error.message}`);
    };
    this.#journal.onRound = (durationMs, groups) => {
      this.#metrics.syncSeconds.observe(durationMs / 1_000);
      this.#metrics.journalGroups.observe(groups);
    };
    if (refused.length > 0) {
      logger.error({ refused }, 'the journal stays as it is: it alone has records of logs that could not be written');
      return;
    }
    if (!this.#checkpoints.writeNow()) return;
    const share = Math.floor(this.#room.space.totalBytes * JOURNAL_FILE_DISK_SHARE);
    try {
      this.#journal.begin(Math.min(Math.max(share, JOURNAL_FILE_BYTES_MIN), JOURNAL_FILE_BYTES));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#journal.onBroken(error);
    }
  }

  #closeJournal(settled: boolean): void {
    try {
      this.#journal.close(settled);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // The next start replays it, which changes nothing.
      this.#world.logger.warn({ err: error }, `the journal could not be removed: ${error.message}`);
    }
  }

  /** Waits for syncs that are under way: a log that is closed meanwhile does not know whether it is durable. */
  async #lastSyncs(): Promise<void> {
    const { clock } = this.#world;
    const untilMs = clock.monotonicMs() + STOP_GRACE_MS;
    while (this.partitions.syncing && clock.monotonicMs() < untilMs) await sleep(clock, 1);
  }

  #sessionHandlers(): SessionHandlers {
    const { logger } = this.#world;
    return {
      changed: (image, changes) => {
        this.#readiness.told();
        this.partitions.apply(image, changes);
        if (changes.some(({ kind }) => kind === 'all')) this.#orphans.check();
      },
      welcomed: ({ clusterId, brokerEpoch, resumed }) => {
        try {
          this.#directory.join(clusterId);
        } catch (error) {
          this.#world.fatal(error as Error);
          return;
        }
        this.#brokerEpoch = brokerEpoch;
        this.partitions.registered();
        if (!resumed) logger.info({ clusterId, brokerEpoch }, 'registered with the coordinator');
      },
      fenced: (why) => {
        if (ERRORS[why.code].retriable) {
          logger.warn({ code: why.code }, `the coordinator refuses the registration, trying again: ${why.message}`);
          this.#readiness.refused(why.message);
        } else {
          this.#world.fatal(new Error(`the coordinator refuses this broker: ${why.code}: ${why.message}`));
        }
      },
      lost: () => logger.warn('lost the session with the coordinator; what this broker leads, it goes on serving'),
    };
  }

  /** @throws WeirError (as a rejection) */
  async #describeTopicIds(ids: readonly TopicId[]): Promise<readonly TopicIdState[]> {
    const session = this.#session;
    if (session === undefined) throw new WeirError('COORDINATOR_UNAVAILABLE', 'there is no session yet');
    const topicIds = ids.map(uuidToBytes);
    return (await session.call(DESCRIBE_TOPIC_IDS, create(DescribeTopicIdsRequestSchema, { topicIds }))).states;
  }

  #retained(partition: Partition, { segments, bytes }: RetentionReport): void {
    this.#metrics.retained(segments, bytes);
    this.#world.logger.info(
      { partition: partition.folder, topic: partition.topic.name, segments, bytes },
      `retention: ${partition.name} begins at ${partition.logStartOffset} now`,
    );
  }

  #wentOffline(partition: Partition, reason: string, cause: unknown): void {
    this.#world.logger.error(
      { partition: partition.folder, topic: partition.topic.name, ...(cause === undefined ? {} : { err: cause }) },
      `${partition.name} is offline on this broker: ${reason}`,
    );
  }

  #failSync(partition: Partition, error: Error): void {
    this.#endAfterSync(`${partition.name} (${this.#settings.path}/partitions/${partition.folder})`, error);
  }

  /** What a failed sync should have covered may be lost, and no later one would say so: the process ends. */
  #endAfterSync(what: string, error: Error): void {
    this.#syncFailed = true;
    this.#world.fatal(new Error(`syncing ${what} failed: ${messageOf(error)}`, { cause: error }));
  }
}
