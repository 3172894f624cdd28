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
import type { BrokerRecord, ClusterImage } from './controller/image.ts';
import type { Policy } from './controller/policy.ts';
import type { Claim } from './election/claim.ts';
import type { Tenure } from './election/tenure.ts';
import type { CoordinatorMetrics } from './metrics.ts';
import type { NamespaceWatches } from './namespace/watches.ts';
import { LeaderBalance } from './leader-balance.ts';
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

/** What an active coordinator is set up with. */
export interface CoordinatorOptions {
  readonly store: MetadataStore;
  /** Everything that was written before its claim. */
  readonly image: ClusterImage;
  /** With the history that the image came with. */
  readonly watches: NamespaceWatches;
  readonly claim: Claim;
  readonly tenure: Tenure;
  readonly policy: Policy;
  readonly metrics: CoordinatorMetrics;
  /** It can write no more: another one has claimed, or what it knows is not what is. Called once. */
  readonly deposed: () => void;
}

/** Called once, with what became of a command. */
type Done = (result: CommandResult) => void;

/** The acting part of the active coordinator: does what the controller and the session table decide, and tells the followers. */
export class Coordinator {
  readonly image: ClusterImage;
  /** By which it is the active one. */
  readonly claim: Claim;
  /** The users' nodes, and the sessions of clients that are no brokers. */
  readonly namespace: NamespaceHost;
  readonly #world: World;
  readonly #controller: Controller;
  readonly #committer: Committer;
  readonly #sessions: SessionTable;
  readonly #metrics: CoordinatorMetrics;
  readonly #tenure: Tenure;
  /** Every open stream. */
  readonly #members = new Set<Member>();
  /** The stream that a session is attached to. */
  readonly #attached = new Map<string, Member>();
  readonly #waiting = new Map<number, Done>();
  readonly #cancelTicks: Cancel;
  #cancelDue: Cancel | undefined;
  readonly #balance: LeaderBalance;
  #commands = 0;
  /** Why it takes nothing on any more. */
  #ended: Refusal | undefined;

  constructor(options: CoordinatorOptions, world: World) {
    const { store, image, watches, claim, tenure, metrics, deposed } = options;
    this.image = image;
    this.claim = claim;
    this.#world = world;
    this.#tenure = tenure;
    this.#metrics = metrics;
    this.#controller = new Controller(options);
    this.#sessions = new SessionTable(world.clock.monotonicMs());
    this.#committer = new Committer(store, { ...world, deposed }, metrics);
    this.namespace = new NamespaceHost({
      image,
      systemView: this.#controller.systemView,
      world,
      metrics,
      watches,
      holds: () => tenure.holds(),
      submit: (command, done) => this.submit(command, done),
    });
    this.#balance = new LeaderBalance({
      image,
      clock: world.clock,
      elect: (done) => this.submit({ kind: 'electLeaders', election: 'preferred', topics: undefined, peer: '' }, done),
      elected: (count) => metrics.leadersBalanced.inc(count),
    });
    for (const sessionId of image.sessions.keys()) this.#beginSession(sessionId);
    // A turn's heartbeats are read before its tick.
    this.#cancelTicks = world.clock.every(SESSION_TICK_MS, () => world.clock.endOfTurn(() => this.#tick()));
  }

  get clusterId(): string {
    return this.image.clusterId;
  }

  /** Broker sessions that live. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Clients that follow the metadata. */
  get streams(): number {
    return this.#members.size;
  }

  /** Commands that wait. */
  get queued(): number {
    return this.#controller.queued;
  }

  /** Why it cannot serve, or undefined. */
  notReady(): string | undefined {
    return this.#ended?.message ?? this.#committer.problem;
  }

  /** Runs a command; `done` is called once it is decided and written. */
  submit(command: Command, done: Done): void {
    if (this.#ended !== undefined) return done({ kind: 'refused', refusal: this.#ended });
    const id = ++this.#commands;
    this.#waiting.set(id, done);
    this.#metrics.commands.inc({ command: command.kind });
    this.#run({ kind: 'command', id, command });
  }

  /** Registers a broker and begins its session. */
  register(
    registration: Omit<RegisterBroker, 'kind' | 'sessionId'>,
    done: (result: { kind: 'registered'; sessionId: string } | { kind: 'refused'; refusal: Refusal }) => void,
  ): void {
    const sessionId = uuidFromRandom(this.#world.random.bytes(16));
    const { broker, doubtful } = registration;
    this.submit({ kind: 'registerBroker', sessionId, ...registration }, (result) => {
      const { id, directoryId, grpcAddress } = broker;
      if (result.kind === 'refused') {
        this.#world.logger.warn({ broker: id, directoryId, code: result.refusal.code }, result.refusal.message);
        return done(result);
      }
      this.#world.logger.info(
        { broker: id, directoryId, sessionId, grpcAddress, doubtful: doubtful.length },
        `broker ${id} registered`,
      );
      if (result.kind === 'registered' && result.isOutdated) {
        this.#world.logger.warn(
          { broker: id, directoryId },
          `broker ${id} came with a data directory that is older than its last run, as from a backup: none of its replicas counts as in sync before it has caught up`,
        );
      }
      this.#beginSession(sessionId);
      done({ kind: 'registered', sessionId });
    });
  }

  /** Takes in a new stream; the reason when there are too many. */
  join(member: Member): Refusal | undefined {
    if (this.#ended !== undefined) return this.#ended;
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
    this.#tickWhenDue();
  }

  /** A broker that is gone is not waited for until the next tick. Of those that go together the first one counts. */
  #tickWhenDue(): void {
    this.#cancelDue ??= this.#world.clock.after(SESSION_REATTACH_MS, () => {
      this.#cancelDue = undefined;
      this.#world.clock.endOfTurn(() => this.#tick());
    });
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
      registered.replicationAddress === broker.replicationAddress &&
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

  /** Whether it may answer clients: see Tenure. */
  get holds(): boolean {
    return this.#tenure.holds();
  }

  /**
   * A heartbeat came, of a session or of who only follows; false when it must not be answered: the session has ended, or may
   * live on elsewhere.
   *
   * @param appliedRevision - up to where the client knows the metadata
   */
  heartbeat(sessionId: string | undefined, appliedRevision: number): boolean {
    if (!this.holds) return false;
    if (sessionId === undefined) return true;
    if (!this.#sessions.has(sessionId)) return false;
    this.#sessions.step({ kind: 'heartbeat', sessionId, nowMs: this.#world.clock.monotonicMs() });
    this.#noteApplied(sessionId, appliedRevision);
    return true;
  }

  /** A follower is given the whole image. */
  countSnapshot(): void {
    this.#metrics.snapshots.inc();
  }

  /**
   * Lets go of every client, sessions staying as they are, and waits for the transaction under way.
   *
   * @param why - a code that says for certain that nothing was done: SHUTTING_DOWN or NOT_CONTROLLER
   */
  async stop(why: Refusal): Promise<void> {
    this.#ended = why;
    this.#cancelTicks();
    this.#cancelDue?.();
    this.#balance.stop();
    for (const member of this.#members) member.abort(why);
    this.namespace.stop(why);
    await this.#committer.stop();
    for (const [id, done] of this.#waiting) {
      const isBegun = id === this.#controller.runningId;
      const unknown = refusal('REQUEST_TIMED_OUT', `${why.message}: what it was at may have been done or not`);
      done({ kind: 'refused', refusal: isBegun ? unknown : why });
    }
    this.#waiting.clear();
  }

  #noteApplied(sessionId: string, revision: number): void {
    const id = this.image.sessions.get(sessionId)?.brokerId;
    if (id === undefined) return;
    const before = this.image.stateOf(id);
    this.image.noteApplied(sessionId, revision);
    if (before !== 'active' && this.image.stateOf(id) === 'active') this.#balance.wanted();
  }

  #beginSession(sessionId: string): void {
    this.#sessions.step({ kind: 'began', sessionId, nowMs: this.#world.clock.monotonicMs() });
  }

  #tick(): void {
    // The next tick then comes late, and counts for no session what nobody could have been told in between.
    if (this.#ended !== undefined || !this.#tenure.holds()) return;
    const expired = this.#sessions.step({ kind: 'tick', nowMs: this.#world.clock.monotonicMs() });
    for (const session of expired) this.#expire(session);
    this.namespace.tick();
  }

  /** A broker stops on purpose: nobody waits for it. */
  endSession(sessionId: string): void {
    if (!this.#sessions.has(sessionId)) return;
    this.#sessions.step({ kind: 'ended', sessionId });
    const broker = this.image.sessions.get(sessionId)?.brokerId;
    this.#world.logger.info({ broker, sessionId }, `broker ${broker} has ended its session`);
    this.#fence(sessionId, 'the broker has ended the session');
    this.submit({ kind: 'endSession', sessionId }, () => {});
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
        if (effect.elections > 0) this.#metrics.elections.inc({ command: effect.command }, effect.elections);
        this.#metrics.isrShrinks.inc(effect.isrShrinks);
        this.#metrics.isrExpansions.inc(effect.isrExpansions);
        this.#publish(effect.revision, effect.entities);
        return;
      case 'nodesChanged':
        this.namespace.changed(effect);
        return;
      case 'configsAltered':
        this.#auditConfigs(effect);
        return;
      case 'uncleanElection':
        this.#auditUncleanElection(effect);
        return;
      case 'rejoined':
        this.#balance.wanted();
        return;
      case 'brokerAltered': {
        const { id: broker, what, revision, peer } = effect;
        this.#world.logger.info({ audit: true, broker, revision, peer }, `broker ${broker} ${what}`);
        return;
      }
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

  #auditUncleanElection({ partition, peer }: Extract<ControllerEffect, { kind: 'uncleanElection' }>): void {
    const { topicId, index, leader, leaderEpoch, partitionEpoch } = partition;
    const topic = this.image.topicById(topicId)?.name;
    this.#metrics.uncleanElections.inc();
    this.#world.logger.warn(
      { audit: true, topic, partition: index, leader, leaderEpoch, partitionEpoch, ...(peer === '' ? {} : { peer }) },
      `unclean election: broker ${leader} leads ${topic}-${index}, and acknowledged records that it does not hold are lost`,
    );
  }

  #reply(id: number, result: CommandResult): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(result);
  }
}
