import { ClientSessionChecks } from './checks/client-sessions.ts';
import { ImageCheck } from './checks/images.ts';
import { History } from './checks/history.ts';
import { PromiseChecks } from './checks/promises.ts';
import { SessionChecks } from './checks/sessions.ts';
import { TreeChecks } from './checks/tree.ts';
import { WriteChecks } from './checks/writes.ts';
import { SimulatedBroker } from './cluster/broker.ts';
import { Coordinators } from './cluster/coordinators.ts';
import { Follower } from './cluster/follower.ts';
import { TreeClient } from './cluster/tree-client.ts';
import { Chance } from './engine/chance.ts';
import { Network } from './engine/network.ts';
import type { Ground } from './engine/process.ts';
import { Scheduler } from './engine/scheduler.ts';
import { SimulatedStore } from './engine/store.ts';
import { Trace } from './engine/trace.ts';
import { Faults } from './faults.ts';
import { Load } from './load.ts';
import type { Parts } from './parts.ts';
import { Recovery } from './recovery.ts';
import { Sometimes } from './sometimes.ts';
import { swarmOf } from './swarm.ts';
import type { Swarm } from './swarm.ts';

/** How a run ended. */
export interface Outcome {
  readonly seed: number;
  readonly swarm: Swarm;
  /** What did not hold, first of all; undefined when everything did. */
  readonly violation: string | undefined;
  readonly hash: string;
  readonly events: number;
  readonly operations: number;
  readonly transactions: number;
  readonly faults: number;
  readonly takeOvers: number;
  readonly simulatedMs: number;
  readonly sometimes: Sometimes;
  readonly lastLines: readonly string[];
}

/**
 * Runs one seed: faults and load for a while, then everything heals and has to converge. The same seed takes the same
 * course on every machine.
 *
 * @param print - sees the trace as it is made
 */
export async function simulate(seed: number, print?: (line: string) => void): Promise<Outcome> {
  const swarm = swarmOf(seed);
  const trace = new Trace(print);
  const chanceFor = (name: string): Chance => new Chance(seed, name);
  const scheduler = new Scheduler(chanceFor('order'));
  const sometimes = new Sometimes();
  const history = new History();
  let violation: string | undefined;
  const violated = (what: string): void => {
    violation ??= `at ${scheduler.nowMs.toFixed(3)} ms: ${what}`;
  };
  const rejected = (error: unknown): void => violated(`a promise was rejected: ${stackOf(error)}`);
  process.on('unhandledRejection', rejected);
  const ground: Ground = { scheduler, trace, chance: chanceFor('timers'), violated };
  const checking = { history, sometimes, violated };
  const writes = new WriteChecks(checking);
  const sessions = new SessionChecks(checking);
  const clientSessions = new ClientSessionChecks(checking);
  const tree = new TreeChecks(checking);
  let takeOvers = 0;
  const store = new SimulatedStore({
    ground,
    chance: chanceFor('store'),
    swarm: swarm.store,
    sometimes,
    applied: (txn) => {
      const written = history.apply(txn);
      if (written.some(({ key, after }) => key === '/controller' && after !== undefined)) {
        takeOvers++;
        sessions.claimed(txn.by);
        clientSessions.claimed(txn.by);
      }
      writes.applied(txn, written);
      sessions.written(txn.by, written);
      clientSessions.written(txn.by, written);
      tree.applied(written);
    },
  });
  const parts: Parts = {
    swarm,
    ground,
    store,
    sometimes,
    history,
    network: new Network({
      ground,
      chance: chanceFor('network'),
      swarm: swarm.network,
      watchers: [sessions, clientSessions],
    }),
    checks: {
      writes,
      sessions,
      tree,
      promises: new PromiseChecks(checking),
      imageOf: (follower) => new ImageCheck(follower, checking),
    },
    chance: chanceFor('cluster'),
    chanceFor,
  };

  const coordinators = new Coordinators(parts);
  coordinators.start();
  const { addresses } = coordinators;
  const brokers = Array.from({ length: swarm.brokers }, (_, i) => new SimulatedBroker(i + 1, parts, addresses));
  for (const broker of brokers) broker.start({ isOtherDirectory: false, doubtfulRate: 0 });
  const load = new Load(parts, { coordinators: addresses, brokers });
  const followers = [load.follower];
  for (let i = 1; i <= swarm.observers; i++) {
    const member = { kind: 'observer', name: `observer ${i}` } as const;
    followers.push(new Follower(member.name, parts, { coordinators: addresses, member }));
  }
  const treeClients = Array.from(
    { length: swarm.treeClients },
    (_, i) => new TreeClient(`tree ${i + 1}`, parts, addresses),
  );
  const faults = new Faults(parts, { coordinators, brokers, followers, treeClients });
  const failed = (): boolean => violation !== undefined;
  await scheduler.runUntil(swarm.safetyMs, failed);
  if (!failed()) {
    faults.stop();
    const recovery = new Recovery(parts, { coordinators, brokers, followers, treeClients, load });
    await recovery.run(failed);
  }
  process.off('unhandledRejection', rejected);
  return {
    seed,
    swarm,
    violation,
    events: scheduler.events,
    operations: load.operations + treeClients.reduce((sum, client) => sum + client.operations, 0),
    transactions: history.revision,
    faults: faults.count,
    takeOvers,
    simulatedMs: scheduler.nowMs,
    sometimes,
    lastLines: trace.lastLines,
    hash: trace.digest(),
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
