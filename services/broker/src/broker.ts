import { create } from '@bufbuild/protobuf';
import { sleep } from '@weir/base/clock.ts';
import type { Cancel } from '@weir/base/clock.ts';
import { ERRORS, messageOf, refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { uuidToBytes } from '@weir/base/ids.ts';
import type { BrokerId, TopicId } from '@weir/base/ids.ts';
import {
  APPLY_SLICE_MS,
  CHECKPOINT_INTERVAL_MS,
  COLD_READS_MAX,
  OPEN_FILES_SHARE,
  SLAB_BYTES,
  STOP_GRACE_MS,
} from '@weir/base/limits.ts';
import { Slabs } from '@weir/base/slabs.ts';
import type { Listener, Method } from '@weir/base/transport.ts';
import { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import type { SessionHandlers } from '@weir/client/metadata/coordinator-session.ts';
import { Journal } from '@weir/log/journal/journal.ts';
import { OpenFiles } from '@weir/log/open-files.ts';
import { TailCache } from '@weir/log/tail-cache.ts';
import { CoordinatorService, DescribeTopicIdsRequestSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { TopicIdState } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import { protobufMethod } from '@weir/runtime/protobuf.ts';
import type { OwnedDirectory, World } from '@weir/runtime/world.ts';
import type { Budgets } from './budgets.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import { DataDirectory } from './data-directory.ts';
import { DiskRoom } from './disk-room.ts';
import { SyncWatch } from './sync-watch.ts';
import type { Syncing } from './sync-watch.ts';
import type { GroupSettings } from './group/group-settings.ts';
import { DRAIN_BROKER, handOver } from './hand-over.ts';
import { JournalKeeper } from './journal-keeper.ts';
import { LogUpkeep } from './log-upkeep.ts';
import { leadPartitions, leadsFollowed, sizeOf, topicSizes } from './measured-partitions.ts';
import { BrokerMetrics } from './metrics.ts';
import { OrphanCheck } from './orphan-check.ts';
import type { Partition } from './partition/partition.ts';
import { Partitions } from './partition/partitions.ts';
import type { FlushPolicy } from './partition/topic-settings.ts';
import { Turn } from './partition/turn.ts';
import { Readiness } from './readiness.ts';
import { Replication } from './replication.ts';
import { registrationOf } from './registration.ts';
import { FrontDoor } from './kafka/front-door.ts';
import type { KafkaNetwork } from './kafka/front-door.ts';
import { callHandlers } from './rpc/call-handlers.ts';
import { ColdGate } from './rpc/cold-gate.ts';
import { ConsumerWatchStreams } from './rpc/consumer-watch-stream.ts';
import { Fetch } from './rpc/fetch.ts';
import { Produce } from './rpc/produce.ts';
import { WatermarkKeeper } from './watermark-keeper.ts';

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
  readonly groups: GroupSettings;
}

/** Where it is reached, and whom it reaches. */
export interface BrokerNetwork {
  readonly kafka: KafkaNetwork;
  readonly listen: string;
  readonly advertise: string | undefined;
  /** Where other brokers follow. */
  readonly replication: { readonly listen: string; readonly advertise: string | undefined };
  readonly coordinators: readonly string[];
  readonly rack: string;
}

/** A broker from its recovery to its stop: `recover`, then `serve`, then `stop`. */
export class Broker {
  readonly partitions: Partitions;
  readonly readiness: Readiness;
  readonly #settings: BrokerSettings;
  readonly #world: World;
  readonly #owned: OwnedDirectory;
  readonly #directory: DataDirectory;
  readonly #metrics: BrokerMetrics;
  readonly #cache: TailCache;
  readonly #files: OpenFiles;
  readonly #journal: Journal;
  readonly #journalKeeper: JournalKeeper;
  readonly #room: DiskRoom;
  readonly #syncWatch: SyncWatch;
  readonly #checkpoints: CheckpointKeeper;
  readonly upkeep: LogUpkeep;
  readonly #orphans: OrphanCheck;
  readonly #produce: Produce;
  readonly #fetch: Fetch;
  readonly #kafka: FrontDoor;
  readonly #watermarks: WatermarkKeeper;
  readonly #replication: Replication;
  readonly #consumerWatches = new ConsumerWatchStreams();
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
    this.#journalKeeper = new JournalKeeper({
      journal: this.#journal,
      disk,
      logger: world.logger,
      metrics: this.#metrics,
      syncFailed: (error) => this.#endAfterSync('the journal', error),
    });
    this.#room = new DiskRoom(disk, clock);
    const turn = new Turn(clock);
    const coldGate = new ColdGate(COLD_READS_MAX);
    this.#replication = new Replication({
      world,
      turn,
      slabs: this.#cache.slabs,
      coldGate,
      brokerId: settings.brokerId,
      partitions: () => this.partitions,
      image: () => this.#session?.image,
      call: (method, request) => this.#call(method, request),
      brokerEpoch: () => this.#brokerEpoch,
      clusterId: () => this.#directory.identity.clusterId,
    });
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
      replicator: this.#replication,
      events: {
        created: () => this.#checkpoints.writeNow(),
        rolled: () => this.#checkpoints.write(),
        watermarkLowered: () => this.#watermarks.writeNow(),
        forgotten: () => this.#checkpoints.writeNow(),
        deletionFailed: (error) => {
          world.logger.warn({ err: error }, `deleted partitions cannot be removed yet: ${error.message}`);
        },
        wentOffline: (partition, reason, cause) => this.#wentOffline(partition, reason, cause),
        syncFailed: (partition, error) => this.#failSync(partition, error),
        takenUp: () => {
          this.readiness.look();
          this.#kafka.look([]);
        },
      },
    });
    this.readiness = new Readiness({
      clock,
      logger: world.logger,
      brokerId: settings.brokerId,
      brokerEpoch: () => this.#brokerEpoch,
      partitions: () => this.partitions,
    });
    this.upkeep = new LogUpkeep({
      clock,
      logger: world.logger,
      metrics: this.#metrics,
      partitions: () => this.partitions.all(),
      room: this.#room,
      compactionMapBytes: settings.budgets.compactionMapBytes,
    });
    this.#orphans = new OrphanCheck({
      clock,
      logger: world.logger,
      orphans: () => this.partitions.orphanTopics(),
      ask: (ids) => this.#describeTopicIds(ids),
      deleted: (id) => this.partitions.deleteTopic(id),
    });
    const { slabs } = this.#cache;
    this.#watermarks = new WatermarkKeeper(this.#directory, () => this.partitions.highWatermarks(), world.logger);
    this.#checkpoints = new CheckpointKeeper(this.#directory, this.partitions, world.logger, (error) =>
      this.#endAfterSync('the checkpoint', error),
    );
    this.#produce = new Produce({ partitions: this.partitions, clock, tracer, metrics: this.#metrics, slabs });
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
      groups: settings.groups,
      session: () => this.#session,
      brokerEpoch: () => this.#brokerEpoch,
    });
    this.#syncWatch = new SyncWatch(
      () => this.#syncing(),
      world.logger,
      (why) => this.#replication.stalls(why),
    );
    this.#metrics.watch({
      partitions: () => this.partitions.counts(),
      pendingBytes: () => this.partitions.pendingBytes,
      logBytes: () => sizeOf(this.partitions.all()),
      tailCacheBytes: () => this.#cache.bytes,
      slabBytes: () => this.#cache.slabs.bytes,
      slabUsedBytes: () => this.#cache.slabs.usedBytes,
      readAheadBytes: () => this.#cache.readAhead.bytes,
      dirtyRatioMax: () => this.upkeep.dirtyRatioMax,
      journalBytes: () => this.#journal.bytes,
      openFiles: () => this.#files.count,
      topicLogBytes: () => topicSizes(this.partitions.all()),
      leading: () => leadPartitions(this.partitions.all(), settings.brokerId),
      diskFreeBytes: () => this.#room.space.freeBytes,
      diskTotalBytes: () => this.#room.space.totalBytes,
      diskReserveBytes: () => this.#room.reserveBytes,
      longestSyncMs: () => this.#syncWatch.longestMs,
      subscriptions: () => this.#fetch.subscriptions,
      readyForced: () => this.readiness.forced,
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
    const lastRun = this.#journalKeeper.replay(lastStop);
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
    this.#watchRoom();
    const { totalBytes } = this.#room.space;
    this.#journalKeeper.begin(lastRun.journalRefused, totalBytes, () => this.#checkpoints.writeNow());
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
    this.readiness.recovered(this.partitions.doubtful());
  }

  /**
   * Listens, and registers.
   *
   * @throws Error (as a rejection) that names the address when it cannot be bound
   */
  async serve(network: BrokerNetwork): Promise<{ grpc: string; kafka: string; replication: string }> {
    const { clock, transport, random } = this.#world;
    const kafka = await this.#kafka.serve(network.kafka);
    const { producerIds, groups } = this.#kafka;
    const consumerWatches = this.#consumerWatches;
    const calls = { partitions: this.partitions, producerIds, groups, clock, random, consumerWatches };
    this.#listener = await transport.listen(network.listen, [
      this.#produce.handler,
      this.#fetch.handler,
      ...callHandlers({ ...calls, image: () => this.#session?.image }),
    ]);
    const grpc = network.advertise ?? this.#listener.address;
    const replication = await this.#replication.serve(network.replication);
    this.#cancelCheckpoints = clock.every(CHECKPOINT_INTERVAL_MS, () => {
      this.#checkpoints.write();
      this.#watermarks.write();
      this.#syncWatch.look(clock.monotonicMs());
    });
    this.upkeep.start();
    this.#directory.beginRun(random);
    const { clusterId } = this.#directory.identity;
    this.#session = new CoordinatorSession(
      {
        coordinators: network.coordinators,
        ...(clusterId === '' ? {} : { clusterId }),
        member: {
          kind: 'broker',
          registration: () => {
            const { identity } = this.#directory;
            const addresses = { grpcAddress: grpc, kafkaAddress: kafka, replicationAddress: replication };
            const parts = { identity, ...addresses, rack: network.rack };
            return registrationOf(parts, this.partitions.doubtful());
          },
        },
      },
      this.#world,
      this.#sessionHandlers(),
    );
    return { grpc, kafka, replication };
  }

  /** Takes nothing more, answers what it has taken, and lets go of everything in order. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { clock, logger } = this.#world;
    this.readiness.stop();
    await this.#handOver();
    // From now on nobody counts on this broker: it is in sync with nothing, while it still answers what it took.
    await this.#session?.leave();
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
    this.#consumerWatches.stop(SHUTTING_DOWN);
    this.#produce.end();
    this.#replication.stop(SHUTTING_DOWN);
    await Promise.all([
      this.#listener?.close(STOP_GRACE_MS),
      this.#kafka.close(STOP_GRACE_MS),
      this.#replication.close(STOP_GRACE_MS),
    ]);
    this.#cancelCheckpoints?.();
    this.upkeep.stop();
    this.#orphans.stop();
    this.#journal.rest();
    await this.#lastSyncs();
    // A doubt that nobody has been told yet must be found again by the next start.
    const told = this.partitions.doubtful().every(({ doubt }) => doubt !== 'unsynced');
    const inOrder = this.partitions.close(SHUTTING_DOWN, !this.#syncFailed);
    this.#room.stop();
    this.#watermarks.writeNow();
    this.#journalKeeper.close(inOrder);
    if (this.#checkpoints.writeNow() && inOrder && told) this.#directory.markClean(this.#brokerEpoch ?? 0);
    else logger.warn('stopped without a clean marker: the next start checks the logs');
    this.#owned.release();
  }

  /** Where it leads partitions that others follow: these lead them before it stops. */
  async #handOver(): Promise<void> {
    const { clock, logger } = this.#world;
    const session = this.#session;
    const brokerEpoch = this.#brokerEpoch;
    if (session?.attached !== true || brokerEpoch === undefined || !leadsFollowed(this.partitions.all())) return;
    try {
      const { brokerId } = this.#settings;
      await handOver({ brokerId, brokerEpoch }, clock, (request) => session.call(DRAIN_BROKER, request));
    } catch (error) {
      logger.warn({ err: error }, `what this broker leads is not handed over: ${messageOf(error)}`);
    }
  }

  *#syncing(): Generator<Syncing> {
    yield { name: 'the journal', syncingSinceMs: this.#journal.syncingSinceMs };
    yield* this.partitions.all();
  }

  #watchRoom(): void {
    const { logger } = this.#world;
    this.#room.onChange = (full, { freeBytes, totalBytes }, reserveBytes) => {
      const facts = { freeBytes, totalBytes, reserveBytes };
      if (full) logger.error(facts, 'the disk is nearly full: no batches are taken until there is more room');
      else logger.info(facts, 'the disk has room again: batches are taken');
    };
    this.#room.start();
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
        this.readiness.told(image, changes);
        this.partitions.apply(image, changes);
        this.#replication.metadataChanged(changes);
        this.#kafka.look(changes);
        if (changes.some(({ kind }) => kind === 'all')) this.#orphans.check();
      },
      welcomed: ({ clusterId, brokerEpoch, resumed }) => {
        try {
          this.#directory.registered(clusterId);
        } catch (error) {
          this.#world.fatal(error as Error);
          return;
        }
        const isNew = this.#brokerEpoch !== brokerEpoch;
        this.#brokerEpoch = brokerEpoch;
        this.partitions.registered();
        if (isNew) this.#replication.registered();
        if (!resumed) logger.info({ clusterId, brokerEpoch }, 'registered with the coordinator');
      },
      fenced: (why) => {
        if (ERRORS[why.code].retriable) {
          logger.warn({ code: why.code }, `the coordinator refuses the registration, trying again: ${why.message}`);
          this.readiness.refused(why.message);
        } else {
          this.#world.fatal(new Error(`the coordinator refuses this broker: ${why.code}: ${why.message}`));
        }
      },
      lost: () => logger.warn('lost the session with the coordinator; what this broker leads, it goes on serving'),
    };
  }

  /** @throws WeirError (as a rejection) */
  async #call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    const session = this.#session;
    if (session === undefined) throw new WeirError('NOT_CONTROLLER', 'there is no session yet');
    return session.call(method, request);
  }

  /** @throws WeirError (as a rejection) */
  async #describeTopicIds(ids: readonly TopicId[]): Promise<readonly TopicIdState[]> {
    const topicIds = ids.map(uuidToBytes);
    return (await this.#call(DESCRIBE_TOPIC_IDS, create(DescribeTopicIdsRequestSchema, { topicIds }))).states;
  }

  #wentOffline(partition: Partition, reason: string, cause: unknown): void {
    this.#world.logger.error(
      { partition: partition.folder, topic: partition.topic.name, ...(cause === undefined ? {} : { err: cause }) },
      `${partition.name} is offline on this broker: ${reason}`,
    );
    // Not before all of the metadata that this is part of is looked at.
    this.#world.clock.endOfTurn(() => this.readiness.look());
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
