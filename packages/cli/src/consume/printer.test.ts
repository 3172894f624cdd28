import { offset } from '@weir/base/ids.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { writeBaseOffset } from '@weir/records/batch-header.ts';
import { expect, test } from 'vitest';
import { TestTerminal } from '../test-terminal.ts';
import { Printer } from './printer.ts';
import { jsonLines, textLines } from './record-text.ts';

function batchAt(baseOffset: number, values: readonly (string | null)[], key: string | null = null): Buffer {
  const builder = new BatchBuilder({ maxBytes: 100_000 });
  for (const value of values) {
    builder.append({
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestampMs: 1000,
    });
  }
  const batch = builder.build();
  writeBaseOffset(batch, 0, offset(baseOffset));
  return batch;
}

const everything = { from: 0, until: Number.MAX_SAFE_INTEGER };

test('values are printed a line each, from the offset asked for on', () => {
  const terminal = new TestTerminal();
  const printer = new Printer(terminal, textLines(undefined), undefined);
  const batches = Buffer.concat([batchAt(10, ['a', 'b', 'c']), batchAt(13, ['d', 'e'])]);
  expect(printer.print(0, batches, { from: 11, until: 14 })).toBe(14);
  expect(terminal.output).toBe('b\nc\nd\n');
});

test('keys stand before values where a separator says so', () => {
  const terminal = new TestTerminal();
  new Printer(terminal, textLines(':'), undefined).print(0, batchAt(0, ['1', null], 'k'), everything);
  expect(terminal.output).toBe('k:1\nk:\n');
});

test('JSON lines are what the gateway answers', () => {
  const terminal = new TestTerminal();
  new Printer(terminal, jsonLines, undefined).print(
    2,
    batchAt(7, ['{"n":12345678901234567890}', 'text'], 'k'),
    everything,
  );
  const [first, second] = terminal.output.trimEnd().split('\n');
  expect(first).toContain('"value":{"n":12345678901234567890}');
  expect(JSON.parse(second!)).toMatchObject({ partition: 2, offset: 8, timestamp: 1000, key: 'k', value: 'text' });
});

test('after the last record that was asked for it stops and says so, once', () => {
  const terminal = new TestTerminal();
  const printer = new Printer(terminal, textLines(undefined), 2);
  let stops = 0;
  printer.onStop(() => stops++);
  expect(printer.print(0, batchAt(0, ['a', 'b', 'c']), everything)).toBe(2);
  printer.stop();
  expect(printer.stopped).toBe(true);
  expect(stops).toBe(1);
  expect(terminal.output).toBe('a\nb\n');
});
