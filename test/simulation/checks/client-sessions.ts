import { SESSION_REATTACH_MS, SESSION_TIMEOUT_MS } from '@weir/base/limits.ts';
import type { KeepSessionRequest, KeepSessionResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { KeyWrite } from './history.ts';

/** What a coordinator has heard of a session, in milliseconds of its own turning loop. */
interface Heard {
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
  readonly #heard = new Map<Process, Map<string, Heard>>();
  readonly #ofWire = new Map<Wire, Heard>();
  /** When, of its own time, a coordinator claimed the controller's key: it gives every session a full timeout after this. */
  readonly #began = new Map<Process, number>();
  readonly #created = new Map<string, { readonly by: Process; readonly turnedMs: number }>();

  constructor(options: { readonly violated: (what: string) => void }) {
    this.#violated = options.violated;
  }

  claimed(by: Process): void {
    this.#began.set(by, by.turnedMs);
  }

  received(wire: Wire, by: End, message: unknown): void {
    const heard = this.#ofWire.get(wire);
    if (by.side !== 'server' || heard === undefined || heard.isOver) return;
    const { request } = message as KeepSessionRequest;
    if (request.case === 'heartbeat') heard.heardMs = by.process.turnedMs;
    if (request.case === 'close') heard.isClosed = heard.isOver = true;
  }

  sent(wire: Wire, from: End, message: unknown): void {
    if (from.side !== 'server' || !wire.path.endsWith(PATH)) return;
    const { response } = message as KeepSessionResponse;
    const heard = this.#ofWire.get(wire);
    if (response.case === 'over' && heard !== undefined) heard.isOver = true;
    if (response.case !== 'opened') return;
    const { process } = from;
    const opened: Heard = {
      wire,
      heardMs: process.turnedMs,
      detachedMs: undefined,
      isOver: false,
      isClosed: false,
    };
    this.#ofWire.set(wire, opened);
    const ofProcess = this.#heard.get(process) ?? new Map<string, Heard>();
    this.#heard.set(process, ofProcess.set(response.value.sessionId, opened));
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
    const { turnedMs } = by;
    const created = this.#created.get(id);
    const aloneMs = created?.by === by ? turnedMs - created.turnedMs : 0;
    const silentMs = turnedMs - (heard?.heardMs ?? this.#began.get(by) ?? turnedMs);
    const detachedMs = heard === undefined ? aloneMs : turnedMs - (heard.detachedMs ?? turnedMs);
    if (silentMs >= SESSION_TIMEOUT_MS - SLACK_MS || detachedMs >= SESSION_REATTACH_MS - SLACK_MS) return;
    this.#violated(`${by.name} ended client session ${id} after ${silentMs} ms of silence, ${detachedMs} ms detached`);
  }
}
