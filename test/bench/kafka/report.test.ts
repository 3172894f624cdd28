import { describe, expect, it } from 'vitest';
import type { RowResult } from './figures.ts';
import { jsonReport, markdownTable, tally, terminalTable, told } from './report.ts';

const RESULTS: readonly RowResult[] = [
  {
    id: 'produce-1k',
    title: 'produce 1 KiB',
    values: [
      {
        figure: { name: 'records/s', digits: 0, target: { kind: 'ratio-at-least', value: 1 } },
        values: { Weir: [60_000, 70_000, 65_000], Kafka: [50_000, 50_000, 50_000] },
      },
      {
        figure: { name: 'broker CPU, s/GB', digits: 2, target: { kind: 'ratio-at-most', value: 0.7 } },
        values: { Weir: [0.9], Kafka: [1] },
      },
      { figure: { name: 'latency p99, ms', digits: 1 }, values: { Weir: [], Kafka: [3.25] } },
    ],
    failures: [{ broker: 'Weir', message: 'perf-producer ended with 1:\nlong story\n' }],
  },
];

describe('the report', () => {
  it('shows medians, spreads, ratios, targets and what failed on a terminal', () => {
    expect(terminalTable(RESULTS)).toBe(
      [
        'row         figure            Weir                       Kafka   Weir/Kafka  target         ',
        'produce-1k  records/s         65,000 (60,000 to 70,000)  50,000  1.30        ≥ 1 × Kafka    met',
        '            broker CPU, s/GB  0.90                       1.00    0.90        ≤ 0.7 × Kafka  missed',
        '            latency p99, ms   –                          3.3',
        'FAILED  produce-1k, Weir: perf-producer ended with 1:\n    long story',
      ]
        .map((line) => line.trimEnd())
        .join('\n'),
    );
  });

  it('is a Markdown table with the titles of the rows', () => {
    expect(markdownTable(RESULTS).split('\n').slice(2)).toEqual([
      '| produce 1 KiB | records/s | 65,000 (60,000 to 70,000) | 50,000 | 1.30 | ≥ 1 × Kafka | met |',
      '| | broker CPU, s/GB | 0.90 | 1.00 | 0.90 | ≤ 0.7 × Kafka | missed |',
      '| | latency p99, ms | – | 3.3 | | | |',
      '',
      '- failed: produce-1k, Weir: perf-producer ended with 1:',
    ]);
  });

  it('keeps every round for programs', () => {
    const report = JSON.parse(jsonReport(RESULTS, { rounds: 3 })) as {
      rounds: number;
      rows: { id: string; figures: { weir: { rounds: number[] }; verdict: string }[] }[];
    };
    expect(report.rounds).toBe(3);
    expect(report.rows[0]!.figures[0]).toMatchObject({ verdict: 'met', weir: { median: 65_000 } });
    expect(report.rows[0]!.figures[0]!.weir.rounds).toEqual([60_000, 70_000, 65_000]);
  });

  it('counts targets, not lines', () => {
    expect(tally(RESULTS)).toEqual({ met: 1, missed: 1 });
  });

  it('tells numbers as people read them', () => {
    expect([told(1_234_567.8, 0), told(0.345, 2), told(12, 1)]).toEqual(['1,234,568', '0.35', '12.0']);
  });
});
