import type { SessionRequest, SessionResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { KeepSessionResponse } from '@weir/proto/weir/coordinator/v1/namespace_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Heartbeat } from './heartbeats.ts';

/** Calls that are answered with what is true now. */
const READS: ReadonlySet<string> = new Set(['GetNode', 'ListChildren', 'DescribeTopicIds']);

/**
 * Who answers for what is true now is the one whose claim the store has, at the very moment: that of a read's answer, that
 * at which a session is taken over, and that at which a heartbeat comes that is answered. A lease ends late, and whoever
 * counts on it no longer than on its time has stopped by then.
 */
export class OfficeChecks implements NetworkWatcher {
  readonly #holder: () => Process | undefined;
  readonly #violated: (what: string) => void;
  /** The session that a broker came with; empty when it had none. */
  readonly #offered = new Map<Wire, string>();

  constructor(options: {
    /** Whose claim the store has. */
    readonly holder: () => Process | undefined;
    readonly violated: (what: string) => void;
  }) {
    this.#holder = options.holder;
    this.#violated = options.violated;
  }

  sent(wire: Wire, from: End, message: unknown): void {
    const what = from.side === 'server' ? this.#answerIn(wire, message) : undefined;
    if (what === undefined || this.#holder() === from.process) return;
    const holder = this.#holder()?.name ?? 'nobody';
    this.#violated(`${from.process.name} answers ${what}, and in the store ${holder} is the controller`);
  }

  received(wire: Wire, by: End, message: unknown): void {
    if (by.side !== 'server' || !wire.path.endsWith('/Session')) return;
    const { request } = message as SessionRequest;
    if (request.case === 'hello') this.#offered.set(wire, request.value.sessionId);
  }

  over(wire: Wire): void {
    this.#offered.delete(wire);
  }

  answered({ server }: Wire, { holder }: Heartbeat): void {
    if (holder === server.process) return;
    this.#violated(
      `${server.process.name} answers a heartbeat, and ${holder?.name ?? 'nobody'} was the controller then`,
    );
  }

  /** A claim was written. */
  claimed(by: Process, active: readonly Process[]): void {
    const other = active.find((process) => process !== by);
    if (other !== undefined) this.#violated(`${by.name} claims to be the controller, and ${other.name} is active`);
  }

  /** What is answered, if it is such an answer. */
  #answerIn(wire: Wire, message: unknown): string | undefined {
    const { path } = wire;
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (READS.has(name)) return name;
    if (name === 'StandBy') return 'a standby';
    if (name === 'Session') {
      const { response } = message as SessionResponse;
      const isTaken = response.case === 'welcome' && response.value.sessionId === this.#offered.get(wire);
      return isTaken ? 'who offers a session, or follows' : undefined;
    }
    if (name !== 'KeepSession') return undefined;
    const { response } = message as KeepSessionResponse;
    return response.case === 'opened' && response.value.resumed ? 'who offers a session' : undefined;
  }
}
