import type { Clock } from '@weir/base/clock.ts';
import type { ErrorCode } from '@weir/base/errors.ts';
import { counter, counterOf, gauge } from '@weir/runtime/metrics.ts';
import type { Registry } from '@weir/runtime/world.ts';
import type { Partition } from '../partition/partition.ts';
import type { InSyncReplicas, ProposalOutcome } from './in-sync-replicas.ts';
import type { LinkKind } from './leader-link.ts';

/** Why a replica dropped records: its leader's log says something else, or begins behind its end, or they were damaged. */
type Truncation = 'diverged' | 'outOfRange' | 'damaged';

/** What is counted of a broker's replication since its start: plain numbers, so that a frame costs an addition. */
export class ReplicationCounters {
  /** Of batches that came from leaders. */
  bytesIn = 0;
  /** Of batches that were sent to followers. */
  bytesOut = 0;
  readonly truncations: Record<Truncation, number> = { diverged: 0, outOfRange: 0, damaged: 0 };
  truncatedRecords = 0;
  readonly proposals: Record<ProposalOutcome, number> = {
    written: 0,
    superseded: 0,
    refused: 0,
    unsent: 0,
    unknown: 0,
  };
  readonly #refusals = new Map<ErrorCode, number>(USUAL_REFUSALS.map((code) => [code, 0]));

  /** A leader does not let a partition be followed, or sent what cannot be taken. */
  refused(code: ErrorCode): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  /** A replica's log was cut, or begins anew: then nobody knows how many records it held. */
  truncated(why: Truncation, records = 0): void {
    this.truncations[why]++;
    this.truncatedRecords += records;
  }

  get refusals(): Iterable<readonly [ErrorCode, number]> {
    return this.#refusals;
  }
}

/** What the gauges look at. */
export interface ReplicationGauges {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly counters: ReplicationCounters;
  /** All partitions of this broker. */
  readonly partitions: () => Iterable<Partition>;
  /** Partitions that this broker follows, by the kind of their link. */
  readonly followed: () => Readonly<Record<LinkKind, number>>;
  /** Partitions that others follow here, each once a follower. */
  readonly subscriptions: () => number;
}

/** Registers what a broker tells of its replication. Gauges look over all partitions when somebody asks, and at no other time. */
export function replicationMetrics(registry: Registry, gauges: ReplicationGauges): void {
  countersOf(registry, gauges.counters);
  const count = (name: string, help: string, isOne: (replicas: InSyncReplicas) => boolean): void => {
    const read = (): number => {
      let found = 0;
      for (const { leadership } of gauges.partitions()) if (leadership && isOne(leadership.replicas)) found++;
      return found;
    };
    gauge(registry, { name: `weir_broker_${name}`, help, collect: (metric) => metric.set(read()) });
  };
  count(
    'under_replicated_partitions',
    'Partitions led here with a replica that is not in sync.',
    ({ isr, replicas }) => isr.length < replicas.length,
  );
  count(
    'under_min_isr_partitions',
    'Partitions led here with fewer replicas in sync than min.insync.replicas: acks=all is refused.',
    ({ isEnough }) => !isEnough,
  );
  count(
    'at_min_isr_partitions',
    'Partitions led here with just as many in sync as min.insync.replicas: with one less acks=all is refused.',
    ({ isr, minInSync }) => isr.length === minInSync,
  );
  gauge(registry, {
    name: 'weir_broker_uncommitted_records',
    help: 'Records appended to partitions led here that lie above the high watermark: nobody reads them yet.',
    collect: (metric) => metric.set(uncommitted(gauges.partitions())),
  });
  lagsOf(registry, gauges);
  gauge(registry, {
    name: 'weir_broker_followed_partitions',
    help: 'Partitions that this broker follows, on the streams of replicas in sync or on those of replicas that catch up.',
    labelNames: ['kind'],
    collect(metric) {
      const { inSync, catchingUp } = gauges.followed();
      metric.labels('in_sync').set(inSync);
      metric.labels('catching_up').set(catchingUp);
    },
  });
  gauge(registry, {
    name: 'weir_broker_follower_subscriptions',
    help: 'Partitions that others follow here, each counted once a follower.',
    collect: (metric) => metric.set(gauges.subscriptions()),
  });
}

/** How far a follower broker is behind in the partition in which it is behind most. */
interface WorstLag {
  /** Undefined: it has not said yet what it holds. */
  records: number | undefined;
  ms: number;
}

/** The worst of each follower broker: a line a partition would be too many, and the slow broker is what one looks for. */
function worstLags(partitions: Iterable<Partition>, nowMs: number): Map<number, WorstLag> {
  const worst = new Map<number, WorstLag>();
  for (const { leadership } of partitions) {
    if (leadership === undefined) continue;
    const now = { ms: nowMs, logEnd: leadership.endOffset };
    for (const { broker, records, ms } of leadership.replicas.lags(now)) {
      const known = worst.get(broker);
      if (known === undefined) {
        worst.set(broker, { records, ms });
        continue;
      }
      known.ms = Math.max(known.ms, ms);
      if (records !== undefined) known.records = Math.max(known.records ?? 0, records);
    }
  }
  return worst;
}

function lagsOf(registry: Registry, { clock, partitions }: ReplicationGauges): void {
  const look = (): Map<number, WorstLag> => worstLags(partitions(), clock.monotonicMs());
  gauge(registry, {
    name: 'weir_broker_follower_lag_records',
    help: 'Records that a follower has not said to hold durably, in the partition led here where they are most.',
    labelNames: ['follower'],
    collect(metric) {
      metric.reset();
      for (const [follower, { records }] of look()) {
        if (records !== undefined) metric.labels(String(follower)).set(records);
      }
    },
  });
  gauge(registry, {
    name: 'weir_broker_follower_lag_seconds',
    help: 'How long ago a follower held all that there was, in the partition led here where that is longest; 0: it does.',
    labelNames: ['follower'],
    collect(metric) {
      metric.reset();
      for (const [follower, { ms }] of look()) metric.labels(String(follower)).set(ms / 1_000);
    },
  });
}

function countersOf(registry: Registry, counters: ReplicationCounters): void {
  const total = (name: string, help: string, read: () => number): void => {
    counter(registry, {
      name: `weir_broker_${name}_total`,
      help,
      collect(metric) {
        metric.reset();
        metric.inc(read());
      },
    });
  };
  total('replication_bytes_in', 'Bytes of batches that came from leaders.', () => counters.bytesIn);
  total('replication_bytes_out', 'Bytes of batches that were sent to followers.', () => counters.bytesOut);
  counterOf(
    registry,
    {
      name: 'weir_broker_replica_truncations_total',
      help:
        'Logs of followers that dropped records. diverged: their leader has others; out_of_range: it begins later; ' +
        'damaged: they are made anew.',
      labelNames: ['reason'],
    },
    () => [
      ['diverged', counters.truncations.diverged],
      ['out_of_range', counters.truncations.outOfRange],
      ['damaged', counters.truncations.damaged],
    ],
  );
  total('replica_truncated_records', 'Records that were dropped then.', () => counters.truncatedRecords);
  counterOf(
    registry,
    {
      name: 'weir_broker_refused_replication_total',
      help: 'Partitions that a leader did not let this broker follow, and batches of leaders that it did not take.',
      labelNames: ['code'],
    },
    () => counters.refusals,
  );
  counterOf(
    registry,
    {
      name: 'weir_broker_isr_proposals_total',
      help: 'In-sync replicas that this broker asked for as a leader, by what became of that.',
      labelNames: ['outcome'],
    },
    () => Object.entries(counters.proposals),
  );
}

function uncommitted(partitions: Iterable<Partition>): number {
  let records = 0;
  for (const { leadership, highWatermark } of partitions) {
    if (leadership !== undefined) records += leadership.endOffset - highWatermark;
  }
  return records;
}

/** There from the start: of a counter that appears with its first number, the rate of that number is never seen. */
const USUAL_REFUSALS = [
  'NOT_LEADER_OR_FOLLOWER',
  'OFFSET_OUT_OF_RANGE',
  'CORRUPT_MESSAGE',
] as const satisfies readonly ErrorCode[];
