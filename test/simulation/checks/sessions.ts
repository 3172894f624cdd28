import { uuidFromBytes } from '@weir/base/ids.ts';
import { SESSION_REATTACH_MS, SESSION_TICK_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import type {
  Hello,
  SessionRequest,
  SessionResponse,
  Welcome,
} from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Sometimes } from '../sometimes.ts';
import type { Heartbeat } from './heartbeats.ts';
import type { History, KeyWrite } from './history.ts';
import { partitionKey } from './history.ts';

/** What a coordinator has heard of a session, in milliseconds of its own turning loop. */
interface Heard {
  heardMs: number;
  detachedMs: number | undefined;
  wire: Wire;
}

/** Clocks are compared across a few events of one instant. */
const SLACK_MS = 1;

/**
 * When sessions end, seen from the network: never before their timeout of a loop that turned, never while heartbeats
 * are answered, by whichever coordinator, and by nobody but who decided so; or when their owner has said goodbye. And what a registration is answered with is what
 * was stored.
 */
export class SessionChecks implements NetworkWatcher {
  readonly #history: History;
  readonly #sometimes: Sometimes;
  readonly #violated: (what: string) => void;
  readonly #nowMs: () => number;
  readonly #heard = new Map<Process, Map<string, Heard>>();
  readonly #hellos = new Map<Wire, Hello>();
  readonly #sessionOf = new Map<Wire, string>();
  /** Who created a session, and when of its own time; who decided that it is over. */
  readonly #created = new Map<string, { readonly by: Process; readonly turnedMs: number }>();
  readonly #decided = new Map<string, Set<Process>>();
  /** Of those whose owners have said goodbye. */
  readonly #left = new Set<string>();
  /** When, of its own time, a coordinator made its last claim. */
  readonly #began = new Map<Process, number>();
  /** When the last heartbeat came that was answered, by whoever did it. */
  readonly #lastAnswerMs = new Map<string, number>();
  #newest: Process | undefined;
  /** What was decided in one turn. */
  #together: { readonly by: Process; readonly turnedMs: number; readonly sessions: Map<string, number> } | undefined;

  constructor(options: {
    readonly history: History;
    readonly sometimes: Sometimes;
    readonly violated: (what: string) => void;
    readonly nowMs: () => number;
  }) {
    this.#history = options.history;
    this.#sometimes = options.sometimes;
    this.#violated = options.violated;
    this.#nowMs = options.nowMs;
  }

  /** A coordinator process claims the controller's key: it gives every session a full timeout after this. */
  claimed(by: Process): void {
    this.#began.set(by, by.turnedMs);
    this.#heard.delete(by);
    this.#newest = by;
  }

  received(wire: Wire, by: End, message: unknown): void {
    if (by.side !== 'server' || !wire.path.endsWith('/Session')) return;
    const { request } = message as SessionRequest;
    if (request.case === 'hello') this.#hellos.set(wire, request.value);
    const sessionId = this.#sessionOf.get(wire);
    if (request.case === 'goodbye' && sessionId !== undefined) this.#left.add(sessionId);
  }

  sent(wire: Wire, from: End, message: unknown, isFull: boolean): void {
    if (from.side !== 'server' || !wire.path.endsWith('/Session')) return;
    if (isFull) this.#sometimes.saw('a reader was too slow for its stream');
    const { response } = message as SessionResponse;
    const hello = this.#hellos.get(wire);
    if (response.case === 'fenced' && response.value.code === 'DUPLICATE_BROKER_ID') {
      this.#sometimes.saw('another directory was refused while the broker lived');
    }
    if (response.case === 'welcome' && hello?.member.case === 'broker') this.#welcomed(wire, hello, response.value);
  }

  /** A heartbeat counts if it is answered, and from when it came. */
  answered(wire: Wire, { atMs, turnedMs }: Heartbeat): void {
    const { process } = wire.server;
    const sessionId = this.#sessionOf.get(wire);
    if (sessionId === undefined) return;
    this.#lastAnswerMs.set(sessionId, Math.max(atMs, this.#lastAnswerMs.get(sessionId) ?? 0));
    const entry = this.#heard.get(process)?.get(sessionId);
    if (entry === undefined || entry.wire !== wire || this.#decided.get(sessionId)?.has(process) === true) return;
    this.#renewed(process, entry);
    entry.heardMs = turnedMs;
    entry.detachedMs = undefined;
  }

  over(wire: Wire, at: End): void {
    const sessionId = this.#sessionOf.get(wire);
    if (at.side !== 'server' || sessionId === undefined) return;
    const entry = this.#heard.get(at.process)?.get(sessionId);
    if (entry?.wire === wire) entry.detachedMs = at.process.turnedMs;
  }

  /** A coordinator has decided that a session is over. */
  decided(by: Process, sessionId: string): void {
    const { turnedMs } = by;
    const entry = this.#heard.get(by)?.get(sessionId);
    const created = this.#created.get(sessionId);
    const beganMs = this.#began.get(by) ?? turnedMs;
    const isOurs = created?.by === by && created.turnedMs >= beganMs;
    const unseenMs = isOurs ? turnedMs - created.turnedMs : undefined;
    const unansweredMs = this.#nowMs() - (this.#lastAnswerMs.get(sessionId) ?? -Infinity);
    const silentMs = Math.min(turnedMs - (entry?.heardMs ?? beganMs), unansweredMs);
    const detachedMs = entry === undefined ? unseenMs : entry.detachedMs && turnedMs - entry.detachedMs;
    const isSilent = silentMs >= SESSION_TIMEOUT_MS - SLACK_MS;
    if (this.#left.has(sessionId)) return;
    if (!isSilent && (detachedMs ?? 0) < SESSION_REATTACH_MS - SLACK_MS) {
      this.#violated(`${by.name} ends session ${sessionId} after ${silentMs} ms of silence, ${detachedMs} ms detached`);
    }
    this.#sometimes.saw(
      isSilent
        ? 'a session ended because its broker was silent'
        : 'a session ended because its connection did not come back',
    );
    this.#inMass(by, sessionId, Math.max(silentMs, detachedMs ?? 0));
    const deciders = this.#decided.get(sessionId) ?? new Set();
    this.#decided.set(sessionId, deciders.add(by));
  }

  /** Sessions begin and end in a transaction. */
  written(by: Process, writes: readonly KeyWrite[]): void {
    for (const { key, before, after } of writes) {
      if (!key.startsWith('/sessions/')) continue;
      const id = key.slice('/sessions/'.length);
      if (after !== undefined) {
        if (this.#created.has(id)) this.#violated(`session ${id} began twice`);
        this.#created.set(id, { by, turnedMs: by.turnedMs });
        continue;
      }
      // A registration may take several transactions, of which the first ends the old session.
      const isReplaced =
        writes.length > 100 || writes.some((write) => write.key === `/brokers/${before?.['brokerId']}`);
      const entry = this.#heard.get(by)?.get(id);
      if (isReplaced && entry !== undefined) this.#renewed(by, entry);
      if (!isReplaced && !this.#left.has(id) && this.#decided.get(id)?.has(by) !== true) {
        this.#violated(`${by.name} removed session ${id}, which it had not decided to end`);
      }
    }
  }

  /** Something comes of a session that has not ended: if it was due, it was spared. */
  #renewed(by: Process, { heardMs }: Heard): void {
    if (by.turnedMs - heardMs < SESSION_TIMEOUT_MS + 3 * SESSION_TICK_MS) return;
    this.#sometimes.saw('the mass-expiry rule spared sessions');
  }

  /** When most sessions end at once they must have been spared before. */
  #inMass(by: Process, sessionId: string, quietMs: number): void {
    if (this.#together?.by !== by || this.#together.turnedMs !== by.turnedMs) {
      this.#together = { by, turnedMs: by.turnedMs, sessions: new Map() };
    }
    const { sessions } = this.#together;
    sessions.set(sessionId, quietMs);
    const all = this.#history.activeBrokers().size;
    // A predecessor does not know what the store has since; what it decides is not written.
    if (by !== this.#newest) return;
    if (sessions.size < 2 || sessions.size * 2 <= all) return;
    for (const [id, ms] of sessions) {
      if (ms < SESSION_TIMEOUT_MS + SESSION_REATTACH_MS - SLACK_MS) {
        this.#violated(`${by.name} ends ${sessions.size} of ${all} sessions at once, ${id} after ${ms} ms`);
      }
    }
  }

  #welcomed(wire: Wire, hello: Hello, { sessionId, brokerEpoch }: Welcome): void {
    const { process } = wire.server;
    const ofProcess = this.#heard.get(process) ?? new Map<string, Heard>();
    ofProcess.set(sessionId, { heardMs: process.turnedMs, detachedMs: undefined, wire });
    this.#heard.set(process, ofProcess);
    this.#sessionOf.set(wire, sessionId);
    const revision = Number(brokerEpoch);
    const key = `/sessions/${sessionId}`;
    if (this.#history.writtenAt(key, revision) !== revision || this.#history.at(key, revision) === undefined) {
      this.#violated(`session ${sessionId} was welcomed with the epoch ${revision}, which is not its registration's`);
    }
    if (hello.sessionId === sessionId) {
      const isSame = this.#created.get(sessionId)?.by === process;
      this.#sometimes.saw(
        isSame ? 'a session was attached to again' : 'a session was attached to again at a successor',
      );
      return;
    }
    this.#registered(hello, revision);
  }

  /** R9: what is doubtful has left ISR and ELR when the registration is there. */
  #registered(hello: Hello, revision: number): void {
    if (hello.member.case !== 'broker') return;
    const { brokerId, doubtfulReplicas } = hello.member.value;
    for (const { topicId, partition } of doubtfulReplicas) {
      const key = partitionKey(uuidFromBytes(topicId), partition);
      const value = this.#history.at(key, revision);
      if (value === undefined) continue;
      this.#sometimes.saw('a doubtful replica left the in-sync replicas');
      const members = [...value['isr'], ...value['elr']] as { broker: number }[];
      if (members.some(({ broker }) => broker === brokerId)) {
        this.#violated(`broker ${brokerId} registered at ${revision}, and its doubtful ${key} is trusted`);
      }
    }
  }
}
