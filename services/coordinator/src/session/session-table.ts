import { SESSION_REATTACH_MS, SESSION_TICK_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import { assert } from '@weir/base/assert.ts';

/** What happens to sessions. Times are monotonic milliseconds. */
export type SessionEvent =
  /** It was written to the store, or a new coordinator found it there: it has a full timeout. */
  | { readonly kind: 'began'; readonly sessionId: string; readonly nowMs: number }
  | { readonly kind: 'attached'; readonly sessionId: string; readonly nowMs: number }
  | { readonly kind: 'heartbeat'; readonly sessionId: string; readonly nowMs: number }
  /** Its connection broke. */
  | { readonly kind: 'detached'; readonly sessionId: string; readonly nowMs: number }
  /** It is over for another reason than time: another one took its place. */
  | { readonly kind: 'ended'; readonly sessionId: string }
  /** Every SESSION_TICK_MS, after the turn's heartbeats. */
  | { readonly kind: 'tick'; readonly nowMs: number };

/** A session that is over: from now on nothing revives it, and its end has to be written. */
export interface SessionExpired {
  readonly kind: 'expired';
  readonly sessionId: string;
  readonly why: 'silent' | 'disconnected';
}

interface Session {
  readonly id: string;
  /** Without a heartbeat it ends then. */
  deadlineMs: number;
  /** With a broken connection it ends then. */
  reattachMs: number | undefined;
  /** It would have ended together with most others, and was given time. Once: a heartbeat makes it good. */
  spared: boolean;
}

/**
 * Which sessions live. Time counts only while this process's own loop turned: a tick that comes late by some time
 * moves all deadlines by it, since in that time nobody's heartbeat could be read. When more than half of all sessions
 * (and more than one) would end in one tick, the fault is more likely here than there: they get one more timeout.
 */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  #lastTickMs: number;

  constructor(nowMs: number) {
    this.#lastTickMs = nowMs;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Whether a session lives: only then may a heartbeat be answered. */
  has(sessionId: string): boolean {
    return this.#sessions.has(sessionId);
  }

  /** Takes in an event; tells which sessions have ended by it. */
  step(event: SessionEvent): SessionExpired[] {
    if (event.kind === 'tick') return this.#tick(event.nowMs);
    const session = this.#sessions.get(event.sessionId);
    switch (event.kind) {
      case 'began':
        assert(session === undefined, `session ${event.sessionId} began twice`);
        this.#sessions.set(event.sessionId, {
          id: event.sessionId,
          deadlineMs: event.nowMs + SESSION_TIMEOUT_MS,
          reattachMs: undefined,
          spared: false,
        });
        break;
      case 'attached':
      case 'heartbeat':
        if (session !== undefined) this.#renew(session, event.nowMs);
        break;
      case 'detached':
        if (session !== undefined) session.reattachMs = event.nowMs + SESSION_REATTACH_MS;
        break;
      case 'ended':
        this.#sessions.delete(event.sessionId);
        break;
    }
    return [];
  }

  #renew(session: Session, nowMs: number): void {
    session.deadlineMs = nowMs + SESSION_TIMEOUT_MS;
    session.reattachMs = undefined;
    session.spared = false;
  }

  #tick(nowMs: number): SessionExpired[] {
    const lateMs = Math.max(0, nowMs - this.#lastTickMs - SESSION_TICK_MS);
    this.#lastTickMs = nowMs;
    const ending: Session[] = [];
    for (const session of this.#sessions.values()) {
      session.deadlineMs += lateMs;
      if (session.reattachMs !== undefined) session.reattachMs += lateMs;
      if (nowMs >= endOf(session)) ending.push(session);
    }
    if (ending.length > 1 && ending.length * 2 > this.#sessions.size && ending.some(({ spared }) => !spared)) {
      for (const session of ending) {
        if (session.spared) continue;
        session.spared = true;
        session.deadlineMs = nowMs + SESSION_TIMEOUT_MS;
        session.reattachMs = undefined;
      }
      return this.#end(
        ending.filter((session) => nowMs >= endOf(session)),
        nowMs,
      );
    }
    return this.#end(ending, nowMs);
  }

  #end(sessions: readonly Session[], nowMs: number): SessionExpired[] {
    return sessions.map((session) => {
      this.#sessions.delete(session.id);
      const why = nowMs >= session.deadlineMs ? 'silent' : 'disconnected';
      return { kind: 'expired', sessionId: session.id, why };
    });
  }
}

function endOf({ deadlineMs, reattachMs }: Session): number {
  return Math.min(deadlineMs, reattachMs ?? deadlineMs);
}
