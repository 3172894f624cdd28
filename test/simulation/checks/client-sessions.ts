import { SESSION_REATTACH_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import type { KeepSessionRequest, KeepSessionResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Heartbeat } from './heartbeats.ts';
import type { KeyWrite } from './history.ts';

/** What a coordinator has heard of a session, in milliseconds of its own turning loop. */
interface Heard {
  readonly sessionId: string;
  readonly wire: Wire;
  heardMs: number;
  detachedMs: number | undefined;
  /** Its client wants it closed, or the coordinator has said that it is over: nothing is heard of it any more. */
  isOver: boolean;
  isClosed: boolean;
}

const PATH = '/KeepSession';
const SLACK_MS = 1;

/** When sessions of the namespace's clients end, seen from the network: never before their time, unless they are closed. */
export class ClientSessionChecks implements NetworkWatcher {
  readonly #violated: (what: string) => void;
  readonly #nowMs: () => number;
  readonly #isOrderly: boolean;
  readonly #heard = new Map<Process, Map<string, Heard>>();
  readonly #ofWire = new Map<Wire, Heard>();
  /** When, of its own time, a coordinator made its last claim. */
  readonly #began = new Map<Process, number>();
  /** Their clients have them, and have not closed them. */
  readonly #wanted = new Set<string>();
  readonly #created = new Map<string, { readonly by: Process; readonly turnedMs: number }>();

  /** When the last heartbeat came that was answered, by whoever did it. */
  readonly #lastAnswerMs = new Map<string, number>();

  constructor(options: {
    readonly violated: (what: string) => void;
    readonly nowMs: () => number;
    readonly isOrderly: boolean;
  }) {
    this.#violated = options.violated;
    this.#nowMs = options.nowMs;
    this.#isOrderly = options.isOrderly;
  }

  /** A coordinator process claims the controller's key: it gives every session a full timeout after this. */
  claimed(by: Process): void {
    this.#began.set(by, by.turnedMs);
    this.#heard.delete(by);
  }

  received(wire: Wire, by: End, message: unknown): void {
    const heard = this.#ofWire.get(wire);
    if (by.side !== 'server' || heard === undefined || heard.isOver) return;
    const { request } = message as KeepSessionRequest;
    if (request.case === 'close') heard.isClosed = heard.isOver = true;
  }

  sent(wire: Wire, from: End, message: unknown): void {
    if (from.side !== 'server' || !wire.path.endsWith(PATH)) return;
    const { response } = message as KeepSessionResponse;
    const heard = this.#ofWire.get(wire);
    if (response.case === 'over' && heard !== undefined) heard.isOver = true;
    if (response.case !== 'opened') return;
    const { process } = from;
    const { sessionId } = response.value;
    const opened: Heard = {
      sessionId,
      wire,
      heardMs: process.turnedMs,
      detachedMs: undefined,
      isOver: false,
      isClosed: false,
    };
    this.#ofWire.set(wire, opened);
    const ofProcess = this.#heard.get(process) ?? new Map<string, Heard>();
    this.#heard.set(process, ofProcess.set(sessionId, opened));
  }

  /** A client has it, or does not want it any more. */
  wanted(sessionId: string, isWanted: boolean): void {
    if (isWanted) this.#wanted.add(sessionId);
    else this.#wanted.delete(sessionId);
  }

  /** A heartbeat counts if it is answered, and from when it came. */
  answered(wire: Wire, { atMs, turnedMs }: Heartbeat): void {
    const heard = this.#ofWire.get(wire);
    if (heard === undefined) return;
    heard.heardMs = Math.max(turnedMs, heard.heardMs);
    this.#lastAnswerMs.set(heard.sessionId, Math.max(atMs, this.#lastAnswerMs.get(heard.sessionId) ?? 0));
  }

  over(wire: Wire, at: End): void {
    const heard = this.#ofWire.get(wire);
    if (at.side === 'server' && heard !== undefined) heard.detachedMs ??= at.process.turnedMs;
  }

  written(by: Process, writes: readonly KeyWrite[]): void {
    for (const { key, after } of writes) {
      if (!key.startsWith('/client-sessions/')) continue;
      const id = key.slice('/client-sessions/'.length);
      if (after === undefined) this.#ended(by, id);
      else this.#created.set(id, { by, turnedMs: by.turnedMs });
    }
  }

  #ended(by: Process, id: string): void {
    const heard = this.#heard.get(by)?.get(id);
    if (heard?.isClosed === true) return;
    if (this.#isOrderly && this.#wanted.has(id))
      this.#violated(`${by.name} ended client session ${id}, and all went well with it`);
    const { turnedMs } = by;
    const created = this.#created.get(id);
    const beganMs = this.#began.get(by) ?? turnedMs;
    const aloneMs = created?.by === by && created.turnedMs >= beganMs ? turnedMs - created.turnedMs : 0;
    const unansweredMs = this.#nowMs() - (this.#lastAnswerMs.get(id) ?? -Infinity);
    const silentMs = Math.min(turnedMs - (heard?.heardMs ?? beganMs), unansweredMs);
    const detachedMs = heard === undefined ? aloneMs : turnedMs - (heard.detachedMs ?? turnedMs);
    if (silentMs >= SESSION_TIMEOUT_MS - SLACK_MS || detachedMs >= SESSION_REATTACH_MS - SLACK_MS) return;
    this.#violated(`${by.name} ended client session ${id} after ${silentMs} ms of silence, ${detachedMs} ms detached`);
  }
}
