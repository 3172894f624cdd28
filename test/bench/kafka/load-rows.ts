import type { Flush } from './cluster.ts';
import type { Figure, Target } from './figures.ts';
import {
  AVERAGE,
  count,
  CPU,
  CPU_A_RECORD,
  endToEnd,
  KIB,
  LINGER,
  MEGABYTES,
  P50_WHOLE,
  P99,
  P99_WHOLE,
  produce,
  RATE,
  throughput,
  withCpu,
} from './load.ts';
import { scaled } from './row.ts';
import type { SharedRow } from './row.ts';

const LESS_CPU: Target = { kind: 'ratio-at-most', value: 0.7 };
const THROUGHPUT: readonly Figure[] = [
  { ...RATE, target: { kind: 'ratio-at-least', value: 1 } },
  MEGABYTES,
  { ...CPU, target: LESS_CPU },
];
const PARTITIONS = [1, 12, 100];
/** With a sync per append a broker that does many at once gains most. */
const FSYNC_FIGURES: readonly Figure[] = [
  { ...RATE, target: { kind: 'ratio-at-least', value: 2.5 } },
  MEGABYTES,
  { ...CPU_A_RECORD, target: LESS_CPU },
  P99,
];

const IN_FLIGHT = 64;
const PRODUCERS = 8;

/** How long ProducerPerformance goes on: a run of some seconds is mostly the start of its JVM. */
const RECORDS = new Map([
  [KIB, 1_000_000],
  [100, 5_000_000],
]);

/** `produce`, `consume`, `e2e` and `fsync`: load on clusters of one broker that run. */
export const loadRows: readonly SharedRow[] = [
  ...[KIB, 100].flatMap((recordBytes) =>
    [16, 128].flatMap((batchKib) =>
      ['1', 'all'].flatMap((acks) =>
        PARTITIONS.map((partitions) => produceRow({ recordBytes, batchKib, acks, partitions })),
      ),
    ),
  ),
  ...PARTITIONS.map((partitions) => consumeRow(KIB, partitions)),
  consumeRow(100, 1),
  endToEndRow('interval'),
  endToEndRow('commit'),
  fsyncRow('fsync-64', `${IN_FLIGHT} requests in flight, 16 KiB batches`, [
    `max.in.flight.requests.per.connection=${IN_FLIGHT}`,
    'enable.idempotence=false',
    'batch.size=16384',
    LINGER,
  ]),
  fsyncRow('fsync-single', 'one record a batch, 5 requests in flight', ['batch.size=0', 'linger.ms=0']),
  fsyncProducersRow(1),
  fsyncProducersRow(12),
];

interface Produce {
  readonly recordBytes: number;
  readonly batchKib: number;
  readonly acks: string;
  readonly partitions: number;
}

function produceRow({ recordBytes, batchKib, acks, partitions }: Produce): SharedRow {
  const settings = [`acks=${acks}`, `batch.size=${batchKib * KIB}`, LINGER];
  const records = RECORDS.get(recordBytes)!;
  return {
    kind: 'shared',
    id: `produce-${short(recordBytes)}-${batchKib}k-acks${acks}-p${partitions}`,
    title: `produce ${bytes(recordBytes)}, ${batchKib} KiB batches, acks=${acks}, ${count(partitions)}`,
    figures: [...THROUGHPUT, P99],
    shape: { brokers: 1, flush: 'interval' },
    partitions,
    measure: (cluster, topic, bench) => produce(cluster, topic, bench, { records, recordBytes, settings }),
  };
}

function consumeRow(recordBytes: number, partitions: number): SharedRow {
  const records = RECORDS.get(recordBytes)!;
  return {
    kind: 'shared',
    id: `consume-${short(recordBytes)}-p${partitions}`,
    title: `consume ${bytes(recordBytes)}, from the first record, ${count(partitions)}`,
    figures: THROUGHPUT,
    shape: { brokers: 1, flush: 'interval' },
    partitions,
    fill: { records, recordBytes, settings: ['acks=1', 'batch.size=16384', LINGER] },
    async measure(cluster, topic, bench) {
      const wanted = scaled(records, bench);
      const { result, cpu } = await withCpu(cluster, () => bench.tools.consume(cluster.bootstrap, topic, wanted));
      return throughput(result.recordsPerSecond, { records: wanted, recordBytes, cpu });
    },
  };
}

function endToEndRow(flush: Flush): SharedRow {
  return {
    kind: 'shared',
    id: flush === 'commit' ? 'e2e-fsync' : 'e2e',
    title: `end to end, 100 B, acks=all, one record at a time${flush === 'commit' ? ', a sync before it counts' : ''}`,
    figures: [
      { ...AVERAGE, target: { kind: 'ratio-at-most', value: 0.6 } },
      P50_WHOLE,
      { ...P99_WHOLE, target: { kind: 'ratio-at-most', value: 0.5 } },
      { ...CPU_A_RECORD, target: LESS_CPU },
    ],
    shape: { brokers: 1, flush },
    partitions: 1,
    measure: endToEnd,
  };
}

function fsyncRow(id: string, how: string, settings: readonly string[]): SharedRow {
  // Batches carry sixteen times the records that single ones do.
  const records = id === 'fsync-64' ? 200_000 : 20_000;
  return {
    kind: 'shared',
    id,
    title: `sync before it counts: 1 KiB, acks=all, ${how}, ${count(1)}`,
    figures: FSYNC_FIGURES,
    shape: { brokers: 1, flush: 'commit' },
    partitions: 1,
    measure: (cluster, topic, bench) =>
      produce(cluster, topic, bench, { records, recordBytes: KIB, settings: ['acks=all', ...settings] }),
  };
}

function fsyncProducersRow(partitions: number): SharedRow {
  return {
    kind: 'shared',
    id: `fsync-producers-p${partitions}`,
    title: `sync before it counts: 1 KiB, acks=all, ${PRODUCERS} producers, one record a batch, ${count(partitions)}`,
    figures: FSYNC_FIGURES,
    shape: { brokers: 1, flush: 'commit' },
    partitions,
    async measure(cluster, topic, bench) {
      const recordsEach = scaled(5_000, bench);
      const load = { producers: PRODUCERS, recordsEach, recordBytes: KIB };
      const { result, cpu } = await withCpu(cluster, () => bench.tools.produceWithMany(cluster.bootstrap, topic, load));
      const done = { records: PRODUCERS * recordsEach, recordBytes: KIB, cpu };
      return { ...throughput(result.recordsPerSecond, done), [P99.name]: result.p99Ms };
    },
  };
}

function short(recordBytes: number): string {
  return recordBytes === KIB ? '1k' : `${recordBytes}`;
}

function bytes(recordBytes: number): string {
  return recordBytes === KIB ? '1 KiB' : `${recordBytes} B`;
}
