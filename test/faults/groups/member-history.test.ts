import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MemberLog, MemberLogReader } from './member-history.ts';
import type { MemberEvent } from './member-history.ts';

function pathOfLog(): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-members-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'member.jsonl');
}

test('what a member notes is read as it grows, in order and with its time', () => {
  const path = pathOfLog();
  const reader = new MemberLogReader(path);
  expect(reader.read()).toEqual([]);
  const log = new MemberLog(path);
  const value = 'ü'.repeat(100_000);
  const events: MemberEvent[] = [
    { kind: 'generation', generation: 1 },
    { kind: 'delivered', generation: 1, partition: 'records-0', records: [{ offset: 0, value }] },
  ];
  log.note(events[0]!);
  expect(reader.read()).toMatchObject(events.slice(0, 1));
  log.note(events[1]!);
  expect(reader.read()).toMatchObject(events);
  const [first, second] = reader.read();
  expect(second!.atMs).toBeGreaterThan(first!.atMs);
});

test('a line that is not whole is not read before it is', () => {
  const path = pathOfLog();
  const reader = new MemberLogReader(path);
  new MemberLog(path).note({ kind: 'fenced' });
  appendFileSync(path, '{"kind":"fen');
  expect(reader.read()).toHaveLength(1);
  appendFileSync(path, 'ced","atMs":1}\n');
  expect(reader.read()).toHaveLength(2);
});
