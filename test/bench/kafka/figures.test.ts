import { describe, expect, it } from 'vitest';
import { linesOf, spread } from './figures.ts';
import type { Figure, RowResult } from './figures.ts';

function row(figure: Figure, Weir: number[], Kafka: number[]): RowResult {
  return { id: 'r', title: 'a row', values: [{ figure, values: { Weir, Kafka } }], failures: [] };
}

const RATE: Figure = { name: 'records/s', digits: 0, target: { kind: 'ratio-at-least', value: 1 } };
const CPU: Figure = { name: 'CPU s/GB', digits: 2, target: { kind: 'ratio-at-most', value: 0.7 } };
const CATCH_UP: Figure = { name: 'catch-up MB/s', digits: 0, target: { kind: 'at-least', value: 1_000 } };
const MEMORY: Figure = { name: 'MiB', digits: 0, target: { kind: 'at-most', value: 98 } };

describe('figures', () => {
  it('have the median of an odd and of an even number of rounds', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
    expect(spread([])).toBeUndefined();
  });

  it('compare medians with a target of more and of less', () => {
    expect(linesOf(row(RATE, [90, 120, 100], [80, 99, 130]))[0]).toMatchObject({
      verdict: 'met',
      target: '≥ 1 × Kafka',
    });
    expect(linesOf(row(RATE, [98], [99]))[0]).toMatchObject({ verdict: 'missed' });
    expect(linesOf(row(CPU, [0.7], [1]))[0]).toMatchObject({ verdict: 'met', ratio: 0.7 });
    expect(linesOf(row(CPU, [0.71], [1]))[0]).toMatchObject({ verdict: 'missed', target: '≤ 0.7 × Kafka' });
  });

  it('need no peer for a target of their own', () => {
    expect(linesOf(row(MEMORY, [97], []))[0]).toMatchObject({ verdict: 'met', ratio: undefined, target: '≤ 98' });
    expect(linesOf(row(MEMORY, [99], [400]))[0]).toMatchObject({ verdict: 'missed' });
    expect(linesOf(row(CATCH_UP, [1_000], []))[0]).toMatchObject({ verdict: 'met', target: '≥ 1,000' });
    expect(linesOf(row(CATCH_UP, [999], []))[0]).toMatchObject({ verdict: 'missed' });
  });

  it('are open without a target, without the other side, and beside nothing', () => {
    expect(linesOf(row({ name: 'ms', digits: 0 }, [1], [2]))[0]).toMatchObject({ verdict: 'open', target: '' });
    expect(linesOf(row(RATE, [1], []))[0]).toMatchObject({ verdict: 'open' });
    expect(linesOf(row(CPU, [1], [0]))[0]).toMatchObject({ verdict: 'open' });
  });
});
