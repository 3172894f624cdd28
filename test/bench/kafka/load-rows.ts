import { cpuSeconds } from '../measure.ts';
import type { Broker } from './broker.ts';
import type { Figure } from './figures.ts';
import { scaled } from './row.ts';
import type { Bench, SharedRow, Values } from './row.ts';
import type { Load } from './tools.ts';

const RATE: Figure = { name: 'records/s', digits: 0, target: { kind: 'ratio-at-least', value: 1 } };
const MEGABYTES: Figure = { name: 'MB/s', digits: 1 };
const P99: Figure = { name: 'latency p99, ms', digits: 1 };
const CPU: Figure = { name: 'broker CPU, s/GB', digits: 2, target: { kind: 'ratio-at-most', value: 0.7 } };
/** Where a record is a request of its own, its bytes say nothing. */
const CPU_A_RECORD: Figure = { ...CPU, name: 'broker CPU, ms/record', digits: 3 };
const THROUGHPUT = [RATE, MEGABYTES, CPU];
const KIB = 1024;
const PARTITIONS = [1, 12, 100];
/** With a sync per append a broker that does many at once gains most. */
const FSYNC_FIGURES: readonly Figure[] = [
  { ...RATE, target: { kind: 'ratio-at-least', value: 2.5 } },
  MEGABYTES,
  CPU_A_RECORD,
  P99,
];

/** The Java client's own linger, said so that it stays. */
const LINGER = 'linger.ms=5';
const IN_FLIGHT = 64;
const PRODUCERS = 8;

/** How long ProducerPerformance goes on: a run of some seconds is mostly the start of its JVM. */
const RECORDS = new Map([
  [KIB, 1_000_000],
  [100, 5_000_000],
]);

/** `produce`, `consume`, `e2e` and `fsync`: load on brokers that run. */
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
    flush: 'interval',
    partitions,
    measure: (broker, topic, bench) => produce(broker, topic, bench, { records, recordBytes, settings }),
  };
}

function consumeRow(recordBytes: number, partitions: number): SharedRow {
  const records = RECORDS.get(recordBytes)!;
  return {
    kind: 'shared',
    id: `consume-${short(recordBytes)}-p${partitions}`,
    title: `consume ${bytes(recordBytes)}, from the first record, ${count(partitions)}`,
    figures: THROUGHPUT,
    flush: 'interval',
    partitions,
    fill: { records, recordBytes, settings: ['acks=1', 'batch.size=16384', LINGER] },
    async measure(broker, topic, bench) {
      const wanted = scaled(records, bench);
      const { result, cpu } = await withCpu(broker, () => bench.tools.consume(broker.bootstrap, topic, wanted));
      return throughput(result.recordsPerSecond, { records: wanted, recordBytes, cpu });
    },
  };
}

function endToEndRow(flush: 'interval' | 'commit'): SharedRow {
  return {
    kind: 'shared',
    id: flush === 'commit' ? 'e2e-fsync' : 'e2e',
    title: `end to end, 100 B, acks=all, one record at a time${flush === 'commit' ? ', a sync before it counts' : ''}`,
    figures: [
      { name: 'average, ms', digits: 2, target: { kind: 'ratio-at-most', value: 0.6 } },
      { name: 'p50, whole ms', digits: 0 },
      { name: 'p99, whole ms', digits: 0, target: { kind: 'ratio-at-most', value: 0.5 } },
      CPU_A_RECORD,
    ],
    flush,
    partitions: 1,
    async measure(broker, topic, bench) {
      const records = scaled(10_000, bench);
      const { result, cpu } = await withCpu(broker, () => bench.tools.endToEnd(broker.bootstrap, topic, records));
      return {
        'average, ms': result.averageMs,
        'p50, whole ms': result.p50Ms,
        'p99, whole ms': result.p99Ms,
        [CPU_A_RECORD.name]: (cpu * 1000) / records,
      };
    },
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
    flush: 'commit',
    partitions: 1,
    measure: (broker, topic, bench) =>
      produce(broker, topic, bench, { records, recordBytes: KIB, settings: ['acks=all', ...settings] }),
  };
}

function fsyncProducersRow(partitions: number): SharedRow {
  return {
    kind: 'shared',
    id: `fsync-producers-p${partitions}`,
    title: `sync before it counts: 1 KiB, acks=all, ${PRODUCERS} producers, one record a batch, ${count(partitions)}`,
    figures: FSYNC_FIGURES,
    flush: 'commit',
    partitions,
    async measure(broker, topic, bench) {
      const recordsEach = scaled(5_000, bench);
      const load = { producers: PRODUCERS, recordsEach, recordBytes: KIB };
      const { result, cpu } = await withCpu(broker, () => bench.tools.produceWithMany(broker.bootstrap, topic, load));
      const done = { records: PRODUCERS * recordsEach, recordBytes: KIB, cpu };
      return { ...throughput(result.recordsPerSecond, done), [P99.name]: result.p99Ms };
    },
  };
}

async function produce(broker: Broker, topic: string, bench: Bench, load: Load): Promise<Values> {
  const records = scaled(load.records, bench);
  const { result, cpu } = await withCpu(broker, () =>
    bench.tools.produce(broker.bootstrap, topic, { ...load, records }),
  );
  return {
    ...throughput(result.recordsPerSecond, { records, recordBytes: load.recordBytes, cpu }),
    [P99.name]: result.p99Ms,
  };
}

function throughput(
  recordsPerSecond: number,
  { records, recordBytes, cpu }: { records: number; recordBytes: number; cpu: number },
): Values {
  return {
    [RATE.name]: recordsPerSecond,
    [MEGABYTES.name]: (recordsPerSecond * recordBytes) / 1e6,
    [CPU.name]: cpu / ((records * recordBytes) / 1e9),
    [CPU_A_RECORD.name]: (cpu * 1000) / records,
  };
}

/** Seconds of CPU that the broker and its controller used meanwhile. */
async function withCpu<T>(
  broker: Broker,
  act: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpu: number }> {
  const used = (): number => broker.workingPids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  const result = await act();
  return { result, cpu: used() - before };
}

function short(recordBytes: number): string {
  return recordBytes === KIB ? '1k' : `${recordBytes}`;
}

function bytes(recordBytes: number): string {
  return recordBytes === KIB ? '1 KiB' : `${recordBytes} B`;
}

function count(partitions: number): string {
  return `${partitions} partition${partitions > 1 ? 's' : ''}`;
}
