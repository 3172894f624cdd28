import { cpuSeconds } from '../measure.ts';
import type { Cluster } from './cluster.ts';
import type { Figure } from './figures.ts';
import { scaled } from './row.ts';
import type { Bench, Values } from './row.ts';
import type { Load } from './tools.ts';

// Rows say what is wanted of them.
export const RATE: Figure = { name: 'records/s', digits: 0 };
export const MEGABYTES: Figure = { name: 'MB/s', digits: 1 };
export const P99: Figure = { name: 'latency p99, ms', digits: 1 };
export const CPU: Figure = { name: 'broker CPU, s/GB', digits: 2 };
/** Where a record is a request of its own, its bytes say nothing. */
export const CPU_A_RECORD: Figure = { name: 'broker CPU, ms/record', digits: 3 };
/** Of EndToEndLatency, which rounds percentiles down. */
export const AVERAGE: Figure = { name: 'average, ms', digits: 2 };
export const P50_WHOLE: Figure = { name: 'p50, whole ms', digits: 0 };
export const P99_WHOLE: Figure = { name: 'p99, whole ms', digits: 0 };

export const KIB = 1024;
/** The Java client's own linger, said so that it stays. */
export const LINGER = 'linger.ms=5';

const END_TO_END_RECORDS = 10_000;

/** ProducerPerformance: RATE, MEGABYTES, P99 and the broker's CPU time by bytes and by records. */
export async function produce(cluster: Cluster, topic: string, bench: Bench, load: Load): Promise<Values> {
  const records = scaled(load.records, bench);
  const { result, cpu } = await withCpu(cluster, () =>
    bench.tools.produce(cluster.bootstrap, topic, { ...load, records }),
  );
  return {
    ...throughput(result.recordsPerSecond, { records, recordBytes: load.recordBytes, cpu }),
    [P99.name]: result.p99Ms,
  };
}

/** From a rate and the CPU seconds of so many records. */
export function throughput(
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

/** Seconds of CPU that brokers and controllers used meanwhile. */
export async function withCpu<T>(
  cluster: Cluster,
  act: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpu: number }> {
  const used = (): number => cluster.workingPids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  const result = await act();
  return { result, cpu: used() - before };
}

/** EndToEndLatency: AVERAGE, P50_WHOLE, P99_WHOLE and CPU_A_RECORD. */
export async function endToEnd(cluster: Cluster, topic: string, bench: Bench): Promise<Values> {
  const records = scaled(END_TO_END_RECORDS, bench);
  const { result, cpu } = await withCpu(cluster, () => bench.tools.endToEnd(cluster.bootstrap, topic, records));
  return {
    [AVERAGE.name]: result.averageMs,
    [P50_WHOLE.name]: result.p50Ms,
    [P99_WHOLE.name]: result.p99Ms,
    [CPU_A_RECORD.name]: (cpu * 1000) / records,
  };
}

export function count(partitions: number): string {
  return `${partitions} partition${partitions > 1 ? 's' : ''}`;
}
