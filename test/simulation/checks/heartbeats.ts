import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';

/** A heartbeat, as it came to a coordinator. */
export interface Heartbeat {
  readonly atMs: number;
  /** Of the coordinator's own time. */
  readonly turnedMs: number;
  /** Whose claim the store had then. */
  readonly holder: Process | undefined;
}

/** What is in a message of a session, of brokers' and of clients'. */
interface Part {
  readonly case: string | undefined;
  readonly value?: { readonly sequence?: bigint };
}

/**
 * Heartbeats and their answers. What an answer says was true when the heartbeat came: a client counts from when it sent it,
 * and who reads slowly is answered later.
 */
export class Heartbeats implements NetworkWatcher {
  readonly #holder: () => Process | undefined;
  readonly #nowMs: () => number;
  readonly #answered: (wire: Wire, heartbeat: Heartbeat) => void;
  readonly #came = new Map<Wire, Map<bigint, Heartbeat>>();

  constructor(options: {
    readonly holder: () => Process | undefined;
    readonly nowMs: () => number;
    readonly answered: (wire: Wire, heartbeat: Heartbeat) => void;
  }) {
    this.#holder = options.holder;
    this.#nowMs = options.nowMs;
    this.#answered = options.answered;
  }

  received(wire: Wire, by: End, message: unknown): void {
    const sequence =
      by.side === 'server' ? sequenceIn((message as { request?: Part }).request, 'heartbeat') : undefined;
    if (sequence === undefined) return;
    const came = this.#came.get(wire) ?? new Map<bigint, Heartbeat>();
    this.#came.set(wire, came);
    came.set(sequence, { atMs: this.#nowMs(), turnedMs: by.process.turnedMs, holder: this.#holder() });
  }

  sent(wire: Wire, from: End, message: unknown): void {
    const { response } = message as { response?: Part };
    const sequence = from.side === 'server' ? sequenceIn(response, 'heartbeatAnswer') : undefined;
    const heartbeat = sequence === undefined ? undefined : this.#came.get(wire)?.get(sequence);
    if (heartbeat !== undefined) this.#answered(wire, heartbeat);
  }

  over(wire: Wire): void {
    this.#came.delete(wire);
  }
}

function sequenceIn(part: Part | undefined, kind: string): bigint | undefined {
  return part?.case === kind ? part.value?.sequence : undefined;
}
