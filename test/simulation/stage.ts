import { PowerCut } from '@weir/base/power-cut.ts';
import { BrokerChecks } from './checks/brokers.ts';
import { ClientSessionChecks } from './checks/client-sessions.ts';
import { CopyChecks } from './checks/copies.ts';
import { Heartbeats } from './checks/heartbeats.ts';
import { History } from './checks/history.ts';
import type { KeyWrite } from './checks/history.ts';
import { ImageCheck } from './checks/images.ts';
import { OfficeChecks } from './checks/office.ts';
import { PromiseChecks } from './checks/promises.ts';
import { SessionChecks } from './checks/sessions.ts';
import { TreeChecks } from './checks/tree.ts';
import { WriteChecks } from './checks/writes.ts';
import { Coordinators } from './cluster/coordinators.ts';
import { Chance } from './engine/chance.ts';
import { Network } from './engine/network.ts';
import type { NetworkWatcher } from './engine/network.ts';
import type { Ground } from './engine/process.ts';
import { Scheduler } from './engine/scheduler.ts';
import { releaseSignals } from './engine/signals.ts';
import { SimulatedStore } from './engine/store.ts';
import { Trace } from './engine/trace.ts';
import type { Parts } from './parts.ts';
import { Sometimes } from './sometimes.ts';
import type { ClusterSwarm } from './swarm.ts';

/** What every run ends with, of either kind. */
export interface StageOutcome {
  /** What did not hold, first of all; undefined when everything did. */
  readonly violation: string | undefined;
  readonly hash: string;
  readonly events: number;
  readonly transactions: number;
  readonly takeOvers: number;
  readonly simulatedMs: number;
  readonly sometimes: Sometimes;
  readonly lastLines: readonly string[];
}

/** What a run plays on: simulated time, network and store, the coordinators, and all that is checked of those. */
export interface Stage<Swarm extends ClusterSwarm> {
  readonly parts: Parts<Swarm>;
  readonly coordinators: Coordinators;
  /** Whether something did not hold. */
  readonly failed: () => boolean;
  /** Ends the run. */
  readonly end: () => StageOutcome;
}

/**
 * Builds the stage of one seed.
 *
 * @param options.written - sees what each transaction of the store changed, once the history has it
 * @param options.watchers - of the network, beside those of the coordinators' checks
 * @param options.print - sees the trace as it is made
 */
export function setStage<Swarm extends ClusterSwarm>(
  seed: number,
  swarm: Swarm,
  options: {
    readonly written?: (writes: readonly KeyWrite[]) => void;
    readonly watchers?: readonly NetworkWatcher[];
    readonly print?: ((line: string) => void) | undefined;
  } = {},
): Stage<Swarm> {
  releaseSignals();
  const trace = new Trace(options.print);
  const chanceFor = (name: string): Chance => new Chance(seed, name);
  const scheduler = new Scheduler(chanceFor('order'));
  const sometimes = new Sometimes();
  const history = new History();
  let violation: string | undefined;
  const violated = (what: string): void => {
    violation ??= `at ${scheduler.nowMs.toFixed(3)} ms: ${what}`;
  };
  const rejected = (error: unknown): void => {
    // What was left of a process when it ended.
    if (!(error instanceof PowerCut)) violated(`a promise was rejected: ${stackOf(error)}`);
  };
  process.on('unhandledRejection', rejected);
  const ground: Ground = { scheduler, trace, chance: chanceFor('timers'), violated };
  const checking = { history, sometimes, violated, nowMs: () => scheduler.nowMs, isOrderly: swarm.isOrderly };
  const brokerChecks = new BrokerChecks(checking);
  const writes = new WriteChecks({ ...checking, brokers: brokerChecks });
  const office = new OfficeChecks({ holder: () => writes.holder, violated });
  const sessions = new SessionChecks(checking);
  const clientSessions = new ClientSessionChecks(checking);
  const tree = new TreeChecks(checking);
  const heartbeats = new Heartbeats({
    holder: () => writes.holder,
    nowMs: () => scheduler.nowMs,
    answered: (wire, heartbeat) => {
      for (const check of [office, sessions, clientSessions]) check.answered(wire, heartbeat);
    },
  });
  let takeOvers = 0;
  const store = new SimulatedStore({
    ground,
    chanceFor,
    swarm: swarm.store,
    sometimes,
    applied: (txn) => {
      const written = history.apply(txn);
      const { by } = txn;
      if (by !== undefined && written.some(({ key, after }) => key === '/controller' && after !== undefined)) {
        takeOvers++;
        office.claimed(by, coordinators.active);
        sessions.claimed(by);
        clientSessions.claimed(by);
      }
      writes.applied(txn, written);
      if (by === undefined) return;
      sessions.written(by, written);
      clientSessions.written(by, written);
      tree.applied(written);
      options.written?.(written);
    },
  });
  const parts: Parts<Swarm> = {
    swarm,
    ground,
    store,
    sometimes,
    history,
    network: new Network({
      ground,
      chance: chanceFor('network'),
      swarm: swarm.network,
      watchers: [heartbeats, office, sessions, clientSessions, ...(options.watchers ?? [])],
    }),
    checks: {
      writes,
      brokers: brokerChecks,
      sessions,
      clientSessions,
      tree,
      copies: new CopyChecks(checking),
      promises: new PromiseChecks(checking),
      imageOf: (follower) => new ImageCheck(follower, checking),
    },
    chance: chanceFor('cluster'),
    chanceFor,
  };
  const coordinators = new Coordinators(parts);
  return {
    parts,
    coordinators,
    failed: () => violation !== undefined,
    end: () => {
      process.off('unhandledRejection', rejected);
      return {
        violation,
        hash: trace.digest(),
        events: scheduler.events,
        transactions: history.revision,
        takeOvers,
        simulatedMs: scheduler.nowMs,
        sometimes,
        lastLines: trace.lastLines,
      };
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
