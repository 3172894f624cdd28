import { describe, expect, it } from 'vitest';
import { parseConsumer, parseEndToEnd, parseFailover, parseFigure, parseFirst, parseProducer } from './parse.ts';

// As Kafka 4.3's tools printed them.
const PRODUCER = `242609 records sent, 48521.8 records/sec (47.38 MB/sec), 612.3 ms avg latency, 1005.0 ms max latency.
100000 records sent, 26068.821689 records/sec (25.46 MB/sec), 906.97 ms avg latency, 1430.00 ms max latency, 904 ms 50th, 1331 ms 95th, 1416 ms 99th, 1429 ms 99.9th.
`;
const CONSUMER = `start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
2026-11-26 01:22:13:760, 2026-11-26 01:22:18:417, 97.6563, 20.9698, 100000, 21473.0513, 4228, 429, 227.6369, 233100.2331
`;
const END_TO_END = `Topic "e1" does not exist. Will create topic with 1 partition(s) and replication factor = 1
0\t61.736126
1000\t0.45841699999999996
Avg latency: 1.4678 ms
Percentiles: 50th = 0, 99th = 8, 99.9th = 21
`;
const FAILOVER = `leader=2 controller=-1 sent=6000 acked=5998 failed=2 {TimeoutException=2} longest_gap_ms=1043 gap_from_kill_ms=-3 longest_gap_before_ms=27 lost_acked=0 duplicates=1
`;

describe('parsers of the tools', () => {
  it('takes the whole run of ProducerPerformance, not a report on the way', () => {
    expect(parseProducer(PRODUCER)).toEqual({
      records: 100_000,
      recordsPerSecond: 26_068.821689,
      averageMs: 906.97,
      p50Ms: 904,
      p99Ms: 1416,
    });
  });

  it('takes the fetch columns of ConsumerPerformance', () => {
    expect(parseConsumer(CONSUMER)).toEqual({
      records: 100_000,
      recordsPerSecond: 233_100.2331,
      megabytesPerSecond: 227.6369,
    });
  });

  it('takes average and percentiles of EndToEndLatency', () => {
    expect(parseEndToEnd(END_TO_END)).toEqual({ averageMs: 1.4678, p50Ms: 0, p99Ms: 8 });
  });

  it('takes named figures, and not those whose names end alike', () => {
    expect(parseFigure('other_led_s=9 created_s=0.35 led_s=1.25\n', 'led_s')).toBe(1.25);
  });

  it('takes the times of the first producer', () => {
    expect(parseFirst('ready\n1795656133760 1795656134100\n')).toEqual({
      metadataMs: 1_795_656_133_760,
      ackMs: 1_795_656_134_100,
    });
  });

  it('takes what the failover probe found', () => {
    expect(parseFailover(FAILOVER)).toEqual({ longestGapMs: 1043, gapBeforeMs: 27, failed: 2, lost: 0, duplicates: 1 });
  });

  it('shows the output of a tool that says something else', () => {
    expect(() => parseProducer('Exception in thread "main"')).toThrow(/no total in the output.*\n.*"main"/);
    expect(() => parseConsumer('WARNING: Exiting before consuming')).toThrow('no table');
    expect(() => parseEndToEnd('0\t61.7')).toThrow('no latencies');
    expect(() => parseFigure('created_s=0.35', 'led_s')).toThrow('no figure "led_s"');
    expect(() => parseFirst('ready')).toThrow('no times');
  });
});
