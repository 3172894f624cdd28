import type { BrokerChecks } from './checks/brokers.ts';
import type { ClientSessionChecks } from './checks/client-sessions.ts';
import type { CopyChecks } from './checks/copies.ts';
import type { ImageCheck } from './checks/images.ts';
import type { History } from './checks/history.ts';
import type { PromiseChecks } from './checks/promises.ts';
import type { SessionChecks } from './checks/sessions.ts';
import type { TreeChecks } from './checks/tree.ts';
import type { WriteChecks } from './checks/writes.ts';
import type { Chance } from './engine/chance.ts';
import type { Network } from './engine/network.ts';
import type { Ground } from './engine/process.ts';
import type { SimulatedStore } from './engine/store.ts';
import type { Sometimes } from './sometimes.ts';
import type { ClusterSwarm } from './swarm.ts';

/** What the parts of a run have in common. */
export interface Parts<Swarm extends ClusterSwarm = ClusterSwarm> {
  readonly swarm: Swarm;
  readonly ground: Ground;
  readonly network: Network;
  readonly store: SimulatedStore;
  readonly sometimes: Sometimes;
  readonly history: History;
  readonly checks: {
    readonly writes: WriteChecks;
    readonly brokers: BrokerChecks;
    readonly sessions: SessionChecks;
    readonly clientSessions: ClientSessionChecks;
    readonly copies: CopyChecks;
    readonly promises: PromiseChecks;
    readonly tree: TreeChecks;
    readonly imageOf: (follower: string) => ImageCheck;
  };
  /** Of whoever decides what processes there are. */
  readonly chance: Chance;
  /** A stream of chance of its own. */
  readonly chanceFor: (name: string) => Chance;
}
