import { onTestFinished } from 'vitest';
import { uuidToBytes } from '@weir/base/ids.ts';
import { LEADER_BALANCE_DELAY_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { Client } from '@weir/client/client.ts';
import { CoordinatorSession } from '@weir/client/metadata/coordinator-session.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { MemoryTransport } from '@weir/client/test-kit/memory-transport.ts';
import { testWorld } from '@weir/runtime/test-world.ts';
import { Candidate } from '../election/candidate.ts';
import { coordinatorMetrics } from '../metrics.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { coordinatorHandlers } from './handlers.ts';

const policy = { autoCreateTopics: false, defaultPartitions: 1 };
/** Where the coordinator is. */
export const COORDINATOR = 'coordinator:7070';
/** A coordinator, brokers that do no more than keep their sessions, and a client. */
export class TestSetting {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly world = testWorld({ clock: this.clock, transport: this.transport });
  readonly sessions = new Map<number, CoordinatorSession>();
  readonly client = new Client({ coordinators: [COORDINATOR], name: 'a test' }, this.world);
  #candidate: Candidate | undefined;

  /** Stops by itself when the test is over. */
  static async begin({ brokers, store = new MemoryStore() }: { brokers: readonly number[]; store?: MemoryStore }) {
    const setting = new TestSetting();
    await setting.startCoordinator(store);
    for (const id of brokers) await setting.startBroker(id);
    onTestFinished(() => setting.stop());
    return setting;
  }

  async startCoordinator(store: MemoryStore): Promise<void> {
    const metrics = coordinatorMetrics(this.world.registry, () => this.#candidate);
    const options = { store, isShared: false, coordinatorId: 1, address: COORDINATOR, policy };
    const candidate = new Candidate(options, this.world, metrics);
    this.#candidate = candidate;
    await this.transport.listen(COORDINATOR, coordinatorHandlers(candidate, this.world));
    await this.after(candidate.start());
  }

  /** With nothing heard of it since its registration. */
  async startBroker(id: number): Promise<void> {
    const registration = {
      brokerId: id,
      directoryId: uuidToBytes(`${String(id).repeat(8)}-1111-4111-8111-111111111111`),
      incarnationId: this.world.random.bytes(16),
      grpcAddress: `broker-${id}:7071`,
    };
    const session = new CoordinatorSession(
      { coordinators: [COORDINATOR], member: { kind: 'broker', registration: () => registration } },
      this.world,
      { changed: () => {}, welcomed: () => {}, fenced: () => {}, lost: () => {} },
    );
    this.sessions.set(id, session);
    await this.clock.advance(50);
    if (!session.attached) throw new Error(`broker ${id} is not welcome`);
  }

  /** Long enough for every broker to have said how far it is, and for what comes of it. */
  heartbeats(): Promise<void> {
    return this.clock.advance(SESSION_TIMEOUT_MS / 6 + 2 * LEADER_BALANCE_DELAY_MS + 100);
  }

  async stopBroker(id: number): Promise<void> {
    this.sessions.get(id)!.close();
    this.sessions.delete(id);
    await this.heartbeats();
  }

  broker(id: number) {
    return this.client.brokers().find((one) => one.id === id)!;
  }

  leaders(topic: string): number[] {
    return this.client.topic(topic)!.partitions.map(({ leader }) => leader);
  }

  after<T>(asked: Promise<T>): Promise<T> {
    return this.clock.meanwhile(asked);
  }

  async create(name: string, partitions: number, replicationFactor: number): Promise<void> {
    const [created] = await this.after(this.client.createTopics([{ name, partitions, replicationFactor }]));
    if (created?.refusal !== undefined) throw new Error(created.refusal.message);
  }

  metric(name: string): Promise<string> {
    return this.world.registry.getSingleMetricAsString(name);
  }

  async stop(): Promise<void> {
    for (const session of this.sessions.values()) session.close();
    await this.after(this.client.close());
    await this.after(this.#candidate!.stop());
  }
}
