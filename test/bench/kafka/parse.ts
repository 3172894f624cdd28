/** A line that a tool did not print as expected. */
class Unreadable extends Error {
  override readonly name = 'Unreadable';

  constructor(what: string, output: string) {
    super(`no ${what} in the output of the tool:\n${output.slice(-1_000)}`);
  }
}

/** What ProducerPerformance says of a whole run; latencies in ms. */
export interface Produced {
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly averageMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a consumer says of a whole run, joining a group left out. */
export interface Consumed {
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
}

/** What EndToEndLatency says; it rounds percentiles down to whole milliseconds. */
export interface EndToEnd {
  readonly averageMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What the failover probe says of a run in which the leader was harmed; times in ms. */
export interface Failover {
  /** Between two acknowledgements, from the harm on. */
  readonly longestGapMs: number;
  /** Before it: what the machine does. */
  readonly gapBeforeMs: number;
  /** Sends that were given up. */
  readonly failed: number;
  /** Acknowledged records that were not read back. */
  readonly lost: number;
  /** Records that were read more than once. */
  readonly duplicates: number;
}

const WHOLE_RUN =
  /^(\d+) records sent, ([\d.]+) records\/sec \(.*\), ([\d.]+) ms avg latency, [\d.]+ ms max latency, (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, \d+ ms 99\.9th\.$/gm;

/** The last line of ProducerPerformance: only the whole run's has percentiles. */
export function parseProducer(output: string): Produced {
  const found = [...output.matchAll(WHOLE_RUN)].at(-1)?.slice(1).map(Number);
  if (found === undefined) throw new Unreadable('total', output);
  const [records, recordsPerSecond, averageMs, p50Ms, p99Ms] = found as [number, number, number, number, number];
  return { records, recordsPerSecond, averageMs, p50Ms, p99Ms };
}

/** ConsumerPerformance's table, by the names of its columns: those that begin with `fetch.` leave the joining out. */
export function parseConsumer(output: string): Consumed {
  const lines = output.split('\n').map((line) => line.split(',').map((cell) => cell.trim()));
  const header = lines.findIndex((cells) => cells.includes('fetch.nMsg.sec'));
  const values = lines[header + 1];
  if (header === -1 || values === undefined) throw new Unreadable('table', output);
  const column = (name: string): number => {
    const value = Number(values[lines[header]!.indexOf(name)]);
    if (Number.isNaN(value)) throw new Unreadable(`column "${name}"`, output);
    return value;
  };
  return {
    records: column('data.consumed.in.nMsg'),
    recordsPerSecond: column('fetch.nMsg.sec'),
    megabytesPerSecond: column('fetch.MB.sec'),
  };
}

/** The last two lines of EndToEndLatency. */
export function parseEndToEnd(output: string): EndToEnd {
  const average = /^Avg latency: ([\d.]+) ms$/m.exec(output);
  const percentiles = /^Percentiles: 50th = (\d+), 99th = (\d+), 99\.9th = \d+$/m.exec(output);
  if (average === null || percentiles === null) throw new Unreadable('latencies', output);
  return { averageMs: Number(average[1]), p50Ms: Number(percentiles[1]), p99Ms: Number(percentiles[2]) };
}

/** A figure that a program printed as `name=12.5`. */
export function parseFigure(output: string, name: string): number {
  const found = new RegExp(`(?:^|\\s)${name}=([\\d.]+)(?:\\s|$)`).exec(output);
  if (found === null) throw new Unreadable(`figure "${name}"`, output);
  return Number(found[1]);
}

/** The two wall clock times that the first producer of the peer prints: first metadata, first acknowledgement. */
export function parseFirst(output: string): { readonly metadataMs: number; readonly ackMs: number } {
  const found = /^(\d{13}) (\d{13})$/m.exec(output);
  if (found === null) throw new Unreadable('times', output);
  return { metadataMs: Number(found[1]), ackMs: Number(found[2]) };
}

/** The one line that the failover probe prints. */
export function parseFailover(output: string): Failover {
  return {
    longestGapMs: parseFigure(output, 'longest_gap_ms'),
    gapBeforeMs: parseFigure(output, 'longest_gap_before_ms'),
    failed: parseFigure(output, 'failed'),
    lost: parseFigure(output, 'lost_acked'),
    duplicates: parseFigure(output, 'duplicates'),
  };
}
