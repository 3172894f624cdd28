import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SESSION_REATTACH_MS, SESSION_TICK_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { SessionTable } from './session-table.ts';

/** A table with sessions, and time that passes in punctual ticks. */
function tableWith(...ids: string[]) {
  const table = new SessionTable(0);
  let nowMs = 0;
  for (const sessionId of ids) table.step({ kind: 'began', sessionId, nowMs });
  return {
    table,
    now: () => nowMs,
    /** Passes time; names those that ended. */
    pass(ms: number, heartbeats: string[] = []): string[] {
      const ended: string[] = [];
      for (const until = nowMs + ms; nowMs < until;) {
        nowMs += SESSION_TICK_MS;
        for (const sessionId of heartbeats) table.step({ kind: 'heartbeat', sessionId, nowMs });
        ended.push(...table.step({ kind: 'tick', nowMs }).map(({ sessionId }) => sessionId));
      }
      return ended;
    },
    /** The process stands still, then ticks once. */
    stall(ms: number): string[] {
      nowMs += ms;
      return table.step({ kind: 'tick', nowMs }).map(({ sessionId }) => sessionId);
    },
    detach: (sessionId: string) => table.step({ kind: 'detached', sessionId, nowMs }),
    attach: (sessionId: string) => table.step({ kind: 'attached', sessionId, nowMs }),
  };
}

test('a session without heartbeats ends after the timeout, and only once', () => {
  const sessions = tableWith('a');
  expect(sessions.pass(SESSION_TIMEOUT_MS - SESSION_TICK_MS)).toEqual([]);
  expect(sessions.pass(SESSION_TICK_MS)).toEqual(['a']);
  expect(sessions.pass(10 * SESSION_TIMEOUT_MS)).toEqual([]);
  expect(sessions.table.has('a')).toBe(false);
});

test('a heartbeat keeps a session for another timeout, and cannot revive one that ended', () => {
  const sessions = tableWith('a');
  expect(sessions.pass(3 * SESSION_TIMEOUT_MS, ['a'])).toEqual([]);
  expect(sessions.pass(SESSION_TIMEOUT_MS)).toEqual(['a']);
  expect(sessions.pass(SESSION_TIMEOUT_MS, ['a'])).toEqual([]);
  expect(sessions.table.has('a')).toBe(false);
});

test('a broken connection leaves a short time to attach again', () => {
  const sessions = tableWith('a', 'b', 'c');
  sessions.detach('a');
  expect(sessions.pass(SESSION_REATTACH_MS - SESSION_TICK_MS, ['b', 'c'])).toEqual([]);
  sessions.attach('a');
  expect(sessions.pass(SESSION_REATTACH_MS + SESSION_TICK_MS, ['b', 'c'])).toEqual([]);
  sessions.detach('a');
  expect(sessions.pass(SESSION_REATTACH_MS, ['b', 'c'])).toEqual(['a']);
});

test('time in which the loop stood still does not count', () => {
  const sessions = tableWith('a', 'b', 'c');
  expect(sessions.stall(20 * SESSION_TIMEOUT_MS)).toEqual([]);
  expect(sessions.pass(SESSION_TIMEOUT_MS - 2 * SESSION_TICK_MS, ['b', 'c'])).toEqual([]);
  expect(sessions.pass(SESSION_TICK_MS, ['b', 'c'])).toEqual(['a']);
});

test('time in which the loop stood still does not count for a broken connection', () => {
  const sessions = tableWith('a', 'b', 'c');
  sessions.detach('a');
  expect(sessions.stall(SESSION_TIMEOUT_MS)).toEqual([]);
  sessions.attach('a');
  expect(sessions.pass(SESSION_TIMEOUT_MS - SESSION_TICK_MS)).toEqual([]);
});

test('when more than half would end at once they get one more timeout, once', () => {
  const sessions = tableWith('a', 'b', 'c');
  expect(sessions.pass(2 * SESSION_TIMEOUT_MS - SESSION_TICK_MS, ['c'])).toEqual([]);
  expect(sessions.pass(SESSION_TICK_MS, ['c'])).toEqual(['a', 'b']);
});

test('half of all, or a single one, ends without delay', () => {
  expect(tableWith('a', 'b').pass(SESSION_TIMEOUT_MS, ['b'])).toEqual(['a']);
  expect(tableWith('a').pass(SESSION_TIMEOUT_MS)).toEqual(['a']);
});

test('a session that was replaced is gone without an expiry', () => {
  const sessions = tableWith('a', 'b');
  sessions.table.step({ kind: 'ended', sessionId: 'a' });
  expect(sessions.pass(SESSION_TIMEOUT_MS, ['b'])).toEqual([]);
});

test('no session ends in less turning time than its timeout since its last heartbeat', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 80 }) }),
    fc.record({ kind: fc.constant('stall' as const), ms: fc.integer({ min: 1, max: 50_000 }) }),
    fc.record({ kind: fc.constant('beat' as const), session: fc.constantFrom('a', 'b', 'c', 'd') }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const ids = ['a', 'b', 'c', 'd'];
      const sessions = tableWith(...ids);
      const turned = new Map(ids.map((id) => [id, 0]));
      const spend = (ms: number, ended: string[]): void => {
        for (const id of ids) turned.set(id, turned.get(id)! + ms);
        for (const id of ended) expect(turned.get(id)).toBeGreaterThanOrEqual(SESSION_TIMEOUT_MS);
      };
      for (const step of actions) {
        for (let tick = 0; step.kind === 'pass' && tick < step.ms; tick++) {
          spend(SESSION_TICK_MS, sessions.pass(SESSION_TICK_MS));
        }
        if (step.kind === 'stall') spend(Math.min(step.ms, SESSION_TICK_MS), sessions.stall(step.ms));
        if (step.kind === 'beat' && sessions.table.has(step.session)) {
          sessions.table.step({ kind: 'heartbeat', sessionId: step.session, nowMs: sessions.now() });
          turned.set(step.session, 0);
        }
      }
    }),
  );
});
