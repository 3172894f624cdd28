import { uuidFromRandom } from '@weir/base/ids.ts';
import type { Revision } from '@weir/base/ids.ts';
import { messageOf, refusal } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import {
  COORDINATOR_STREAMS_MAX,
  SESSION_REATTACH_MS,
  SESSION_TICK_MS,
  SESSION_TIMEOUT_MS,
} from '@weir/base/limits.ts';
import type { Cancel } from '@weir/base/clock.ts';
import type { World } from '@weir/runtime/world.ts';
import type { RegisterBroker } from './controller/brokers.ts';
import { alterationInWords } from './controller/altered-configs.ts';
import { Controller } from './controller/controller.ts';
import type { Command, CommandResult, ControllerEffect, ControllerEvent, Entity } from './controller/controller.ts';
import type { BrokerRecord, ClusterImage, PartitionRecord } from './controller/image.ts';
import type { Policy } from './controller/create-topics.ts';
import { coordinatorMetrics } from './metrics.ts';
import type { CoordinatorMetrics } from './metrics.ts';
import { NamespaceHost } from './namespace-host.ts';
import type { Feed } from './rpc/feed.ts';
import { deltaMessage, factsOf } from './rpc/messages.ts';
import type { SessionExpired } from './session/session-table.ts';
import { SessionTable } from './session/session-table.ts';
import { Committer } from './store/committer.ts';
import type { MetadataStore } from './store/metadata-store.ts';

/** A client's stream, as the coordinator needs it. */
export interface Member {
  /** Once it follows the metadata. */
  readonly feed: Feed | undefined;
  /** Tells it that its session is over, and closes it. */
  fence(reason: Refusal): void;
  /** Cuts it, its session being as good as before. */
  abort(reason: Refusal): void;
}

/** What a coordinator is set up with. */
export interface CoordinatorOptions {
  readonly store: MetadataStore;
  readonly image: ClusterImage;
  readonly controllerRevision: Revision;
  readonly incarnation: string;
  readonly coordinatorId: number;
  readonly policy: Policy;
}

/** Called once, with what became of a command. */
type Done = (result: CommandResult) => void;

/** The acting part: does what the controller and the session table decide, and tells the followers. */
export class Coordinator {
  readonly image: ClusterImage;
  /** The users' nodes, and the sessions of clients that are no brokers. */
  readonly namespace: NamespaceHost;
  readonly #world: World;
  readonly #controller: Controller;
  readonly #committer: Committer;
  readonly #sessions: SessionTable;
  readonly #metrics: CoordinatorMetrics;
  /** Every open stream. */
  readonly #members = new Set<Member>();
  /** The stream that a session is attached to. */
  readonly #attached = new Map<string, Member>();
  readonly #waiting = new Map<number, Done>();
  readonly #cancelTicks: Cancel;
  #commands = 0;
  #stopping = false;

  constructor(options: CoordinatorOptions, world: World) {
    const { store, image } = options;
    this.image = image;
    this.#world = world;
    this.#controller = new Controller(options);
    this.#sessions = new SessionTable(world.clock.monotonicMs());
    this.#metrics = coordinatorMetrics(world.registry, {
      image,
      sessions: () => this.#sessions.size,
      streams: () => this.#members.size,
      queued: () => this.#controller.queued,
      problem: () => this.notReady(),
      watches: () => this.namespace.watches,
    });
    this.#committer = new Committer(store, world, this.#metrics);
    this.namespace = new NamespaceHost({
      image,
      systemView: this.#controller.systemView,
      world,
      metrics: this.#metrics,
      submit: (command, done) => this.submit(command, done),
    });
    for (const sessionId of image.sessions.keys()) this.#beginSession(sessionId);
    // A turn's heartbeats are read before its tick.
    this.#cancelTicks = world.clock.every(SESSION_TICK_MS, () => world.clock.endOfTurn(() => this.#tick()));
  }

  get clusterId(): string {
    return this.image.clusterId;
  }

  /** Why it cannot serve, or undefined. */
  notReady(): string | undefined {
    return this.#stopping ? 'stopping' : this.#committer.problem;
  }

  /** Runs a command; `done` is called once it is decided and written. */
  submit(command: Command, done: Done): void {
    if (this.#stopping) {
      return done({ kind: 'refused', refusal: refusal('SHUTTING_DOWN', 'the coordinator stops; try again shortly') });
    }
    const id = ++this.#commands;
    this.#waiting.set(id, done);
    this.#metrics.commands.inc({ command: command.kind });
    this.#run({ kind: 'command', id, command });
  }

  /** Registers a broker and begins its session. */
  register(
    { broker, doubtful }: Pick<RegisterBroker, 'broker' | 'doubtful'>,
    done: (result: { kind: 'registered'; sessionId: string } | { kind: 'refused'; refusal: Refusal }) => void,
  ): void {
    const sessionId = uuidFromRandom(this.#world.random.bytes(16));
    this.submit({ kind: 'registerBroker', sessionId, broker, doubtful }, (result) => {
      const { id, directoryId, grpcAddress } = broker;
      if (result.kind === 'refused') {
        this.#world.logger.warn({ broker: id, directoryId, code: result.refusal.code }, result.refusal.message);
        return done(result);
      }
      this.#world.logger.info(
        { broker: id, directoryId, sessionId, grpcAddress, doubtful: doubtful.length },
        `broker ${id} registered`,
      );
      this.#beginSession(sessionId);
      done({ kind: 'registered', sessionId });
    });
  }

  /** Takes in a new stream; the reason when there are too many. */
  join(member: Member): Refusal | undefined {
    if (this.#stopping) return refusal('SHUTTING_DOWN', 'the coordinator stops; try again shortly');
    if (this.#members.size >= COORDINATOR_STREAMS_MAX) {
      const message = `the coordinator has ${COORDINATOR_STREAMS_MAX} clients, which is the most it takes`;
      return refusal('THROTTLING_QUOTA_EXCEEDED', message);
    }
    this.#members.add(member);
    return undefined;
  }

  /** A stream is gone. Its session, if it still is that stream's, has a short time to be attached to again. */
  leave(member: Member, sessionId: string | undefined): void {
    this.#members.delete(member);
    if (sessionId === undefined) return;
    const holder = this.#attached.get(sessionId);
    if (holder !== undefined && holder !== member) return;
    this.#attached.delete(sessionId);
    this.#sessions.step({ kind: 'detached', sessionId, nowMs: this.#world.clock.monotonicMs() });
  }

  /** Attaches a stream to a session that lives; false when there is none of that broker's. */
  attach(sessionId: string, { broker, member }: { readonly broker: BrokerRecord; readonly member: Member }): boolean {
    const session = this.image.sessions.get(sessionId);
    if (session === undefined || !this.#sessions.has(sessionId)) return false;
    const registered = this.image.brokers.get(session.brokerId);
    const isSame =
      registered?.id === broker.id &&
      registered.directoryId === broker.directoryId &&
      registered.incarnationId === broker.incarnationId &&
      registered.grpcAddress === broker.grpcAddress &&
      registered.kafkaAddress === broker.kafkaAddress &&
      registered.rack === broker.rack;
    if (!isSame) return false;
    const before = this.#attached.get(sessionId);
    this.#attached.set(sessionId, member);
    this.#sessions.step({ kind: 'attached', sessionId, nowMs: this.#world.clock.monotonicMs() });
    // Half open: its client has long taken it for broken.
    if (before !== member)
      before?.abort(refusal('NETWORK_EXCEPTION', 'the session was attached to from a newer stream'));
    return true;
  }

  /** A heartbeat came; false when the session has ended and must not be answered. */
  heartbeat(sessionId: string): boolean {
    if (!this.#sessions.has(sessionId)) return false;
    this.#sessions.step({ kind: 'heartbeat', sessionId, nowMs: this.#world.clock.monotonicMs() });
    return true;
  }

  /** A follower is given the whole image. */
  countSnapshot(): void {
    this.#metrics.snapshots.inc();
  }

  /** Lets go of every client, sessions staying as they are, and waits for the transaction under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelTicks();
    for (const member of this.#members) member.abort(refusal('SHUTTING_DOWN', 'the coordinator stops'));
    this.namespace.stop();
    await this.#committer.stop();
    for (const [id, done] of this.#waiting) {
      // Whoever hears SHUTTING_DOWN may take it for certain that nothing was done.
      const why =
        id === this.#controller.runningId
          ? refusal('REQUEST_TIMED_OUT', 'the coordinator stopped while it was at it: it may have been done or not')
          : refusal('SHUTTING_DOWN', 'the coordinator stopped before it was begun');
      done({ kind: 'refused', refusal: why });
    }
    this.#waiting.clear();
  }

  #beginSession(sessionId: string): void {
    this.#sessions.step({ kind: 'began', sessionId, nowMs: this.#world.clock.monotonicMs() });
  }

  #tick(): void {
    if (this.#stopping) return;
    const expired = this.#sessions.step({ kind: 'tick', nowMs: this.#world.clock.monotonicMs() });
    for (const session of expired) this.#expire(session);
    this.namespace.tick();
  }

  #expire({ sessionId, why }: SessionExpired): void {
    const broker = this.image.sessions.get(sessionId)?.brokerId;
    const message =
      why === 'silent'
        ? `no heartbeat came for ${SESSION_TIMEOUT_MS} ms`
        : `the connection broke and did not come back within ${SESSION_REATTACH_MS} ms`;
    this.#metrics.sessionsExpired.inc({ reason: why });
    this.#world.logger.warn({ broker, sessionId }, `the session of broker ${broker} is over: ${message}`);
    this.#fence(sessionId, `the session is over: ${message}`);
    this.submit({ kind: 'endSession', sessionId }, () => {});
  }

  #fence(sessionId: string, message: string): void {
    const member = this.#attached.get(sessionId);
    this.#attached.delete(sessionId);
    member?.fence(refusal('SESSION_EXPIRED', message));
  }

  #run(event: ControllerEvent): void {
    try {
      for (const effect of this.#controller.step(event)) this.#perform(effect);
    } catch (error) {
      this.#world.fatal(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  #perform(effect: ControllerEffect): void {
    switch (effect.kind) {
      case 'commit':
        this.#committer.commit(effect, (revision) => this.#run({ kind: 'committed', revision }));
        return;
      case 'publish':
        this.#metrics.elections.inc(effect.elections);
        this.#publish(effect.revision, effect.entities);
        return;
      case 'nodesChanged':
        this.namespace.changed(effect);
        return;
      case 'configsAltered':
        this.#auditConfigs(effect);
        return;
      case 'uncleanElection':
        this.#auditUncleanElection(effect.partition);
        return;
      case 'sessionEnded':
        this.#sessions.step({ kind: 'ended', sessionId: effect.sessionId });
        this.#fence(effect.sessionId, 'the broker registered again, which ended this session');
        return;
      case 'reply':
        this.#reply(effect.id, effect.result);
        return;
      case 'refuse': {
        const message = 'the coordinator has too many commands waiting; try again shortly';
        this.#reply(effect.id, { kind: 'refused', refusal: refusal('THROTTLING_QUOTA_EXCEEDED', message) });
        return;
      }
    }
  }

  #publish(revision: Revision, entities: readonly Entity[]): void {
    const message = deltaMessage(revision, factsOf(this.image, entities));
    for (const { feed } of this.#members) feed?.publish({ revision, message });
    for (const entity of entities) {
      if (entity.kind !== 'deletedTopic') continue;
      const { id: topicId, name: topic } = entity;
      this.#world.logger.info({ audit: true, topic, topicId, revision }, `topic ${topic} was deleted`);
    }
  }

  #auditConfigs({ altered, revision, requester }: Extract<ControllerEffect, { kind: 'configsAltered' }>): void {
    const { resource, configs } = altered;
    const facts = { audit: true, resource, configs, revision, ...requester };
    this.#world.logger.info(facts, alterationInWords(altered));
  }

  #auditUncleanElection({ topicId, index, leader, leaderEpoch, partitionEpoch }: PartitionRecord): void {
    const topic = this.image.topicById(topicId)?.name;
    this.#metrics.uncleanElections.inc();
    this.#world.logger.warn(
      { audit: true, topic, partition: index, leader, leaderEpoch, partitionEpoch },
      `unclean election: broker ${leader} leads ${topic}-${index} again and may have lost acknowledged records that were not synced`,
    );
  }

  #reply(id: number, result: CommandResult): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(result);
  }
}
