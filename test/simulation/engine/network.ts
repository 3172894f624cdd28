import { WeirError } from '@weir/base/errors.ts';
import { TransportError } from '@weir/base/transport.ts';
import type {
  Connection,
  Handler,
  Method,
  Stream,
  StreamHandlers,
  Transport,
  TransportFailure,
} from '@weir/base/transport.ts';
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS } from '@weir/base/limits.ts';
import type { NetworkSwarm } from '../swarm.ts';
import type { Chance } from './chance.ts';
import type { Ground, Process } from './process.ts';
import { Wire } from './wire.ts';
import type { End, Lane, WireNetwork } from './wire.ts';

/** Who wants to know what passes. */
export interface NetworkWatcher {
  sent(wire: Wire, from: End, message: unknown, isFull: boolean): void;
  received(wire: Wire, by: End, message: unknown): void;
  /** One end hears nothing more. */
  over(wire: Wire, at: End): void;
}

/** How long a side that hears nothing takes to give a connection up. */
const SILENT_MS = KEEPALIVE_MS + KEEPALIVE_TIMEOUT_MS;
/** Two arrivals on one lane are apart by this, so that they stay in order. */
const APART_MS = 0.001;

type StreamHandler = Extract<Handler, { kind: 'stream' }>;

/**
 * The network between processes. Each stream keeps its order; streams overtake each other. What a partition holds back
 * arrives when it is over, unless the connection was given up before.
 */
export class Network implements WireNetwork {
  readonly #ground: Ground;
  readonly #chance: Chance;
  readonly #watchers: NetworkWatcher[];
  #swarm: NetworkSwarm;
  /** By address; who came last answers. */
  readonly #listening = new Map<string, { readonly process: Process; readonly handlers: readonly Handler[] }[]>();
  /** Addresses on machines that are gone: who calls there hears nothing. */
  readonly #silent = new Set<string>();
  #wires: Wire[] = [];
  #wireCount = 0;
  /** "from>to", with what waits for the end of the partition. */
  readonly #blocked = new Map<string, (() => void)[]>();
  readonly #heldUp = new Map<Lane, (() => void)[]>();

  constructor(options: {
    readonly ground: Ground;
    readonly chance: Chance;
    readonly swarm: NetworkSwarm;
    readonly watchers: readonly NetworkWatcher[];
  }) {
    this.#ground = options.ground;
    this.#chance = options.chance;
    this.#swarm = options.swarm;
    this.#watchers = [...options.watchers];
  }

  /** One more wants to know what passes from now on. */
  watch(watcher: NetworkWatcher): void {
    this.#watchers.push(watcher);
  }

  /** The network as a process sees it. */
  transportOf(process: Process): Transport {
    return {
      connect: (address) => this.#connect(process, address),
      listen: (address, handlers) => {
        this.#silent.delete(address);
        this.#listening.set(address, [...(this.#listening.get(address) ?? []), { process, handlers }]);
        process.whenDead(() => this.#closeListener(address, process));
        return Promise.resolve({ address, close: () => this.#close(address, process) });
      },
    };
  }

  /** A process is gone: its kernel says so to the others, or its machine is gone as well and nobody does. */
  died(process: Process): void {
    const isQuiet = this.#chance.happens(this.#swarm.quietDeathRate);
    if (isQuiet) this.#silence(process);
    for (const wire of this.#wiresOf(process)) {
      if (!isQuiet) wire.cut(`${process.name} is gone`);
      else this.#ground.scheduler.in(this.#silentMs(), () => wire.cut(`${process.name} has long been silent`));
    }
  }

  /** Cuts some of the connections that there are. */
  breakSome(): void {
    const wires = this.#wires.filter((wire) => !wire.isOver);
    if (wires.length === 0) return;
    const share = this.#chance.happens(0.2) ? 1 : this.#chance.unit() / 2;
    const chosen = wires.filter(() => this.#chance.happens(share));
    for (const wire of chosen.length === 0 ? [this.#chance.pick(wires)] : chosen) wire.cut('connection reset');
  }

  /** From now on nothing gets from one process to the other. */
  block(from: Process, to: Process): void {
    const key = `${from.name}>${to.name}`;
    if (this.#blocked.has(key)) return;
    const held: (() => void)[] = [];
    this.#blocked.set(key, held);
    this.#ground.trace.note(this.#ground.scheduler.nowMs, `nothing gets from ${from.name} to ${to.name}`);
    this.#ground.scheduler.in(this.#silentMs(), () => {
      if (this.#blocked.get(key) !== held) return;
      for (const wire of this.#wiresOf(from)) {
        const ends = [wire.client.process, wire.server.process];
        if (ends.includes(to)) wire.cut('keepalive was not answered');
      }
    });
  }

  unblock(from: Process, to: Process): void {
    this.#unblock(`${from.name}>${to.name}`);
  }

  /** Everything works again. */
  heal(): void {
    this.#swarm = { ...this.#swarm, delayMaxMs: 2, spikeRate: 0, quietDeathRate: 0 };
    for (const key of this.#blocked.keys()) this.#unblock(key);
  }

  carry(lane: Lane, arrive: () => void): void {
    const { scheduler } = this.#ground;
    const { delayMinMs, delayMaxMs, spikeRate } = this.#swarm;
    const spike = this.#chance.happens(spikeRate) ? this.#chance.between(0, 3_000) : 0;
    const atMs = Math.max(
      scheduler.nowMs + this.#chance.between(delayMinMs, delayMaxMs) + spike,
      lane.lastArrivalMs + APART_MS,
    );
    lane.lastArrivalMs = atMs;
    scheduler.in(atMs - scheduler.nowMs, () => {
      const held = this.#heldUp.get(lane) ?? this.#blocked.get(`${lane.from.process.name}>${lane.to.process.name}`);
      if (held === undefined) arrive();
      else held.push(arrive);
    });
  }

  /** What is on its way on one lane arrives no sooner than in so long, and what is sent there meanwhile. */
  holdUp(lane: Lane, ms: number): void {
    if (this.#heldUp.has(lane)) return;
    const held: (() => void)[] = [];
    this.#heldUp.set(lane, held);
    this.#ground.scheduler.in(ms, () => {
      this.#heldUp.delete(lane);
      for (const arrive of held) this.carry(lane, arrive);
    });
  }

  tell(end: End, callback: () => void): void {
    const isBlocked = [...this.#blocked.keys()].some((key) => key.endsWith(`>${end.process.name}`));
    const delayMs = isBlocked ? this.#silentMs() : this.#chance.between(this.#swarm.delayMinMs, this.#swarm.delayMaxMs);
    this.#ground.scheduler.in(delayMs, callback);
  }

  note(what: string, bytes?: Uint8Array): void {
    this.#ground.trace.note(this.#ground.scheduler.nowMs, what, bytes);
  }

  sent(wire: Wire, from: End, message: unknown, isFull: boolean): void {
    for (const watcher of this.#watchers) watcher.sent(wire, from, message, isFull);
  }

  received(wire: Wire, by: End, message: unknown): void {
    for (const watcher of this.#watchers) watcher.received(wire, by, message);
  }

  over(wire: Wire, at: End): void {
    for (const watcher of this.#watchers) watcher.over(wire, at);
  }

  #silentMs(): number {
    return this.#chance.between(0.7, 1) * SILENT_MS;
  }

  #silence(process: Process): void {
    for (const [address, listening] of this.#listening) {
      if (listening.some((one) => one.process === process)) this.#silent.add(address);
    }
  }

  /** Whoever waits for it goes on in an event of its own, as with a socket: what was there before that can be looked at. */
  #close(address: string, process: Process): Promise<void> {
    this.#closeListener(address, process);
    return new Promise((resolve) => this.#ground.scheduler.in(0, () => process.deliver(resolve), 'first'));
  }

  #closeListener(address: string, process: Process): void {
    const others = (this.#listening.get(address) ?? []).filter((one) => one.process !== process);
    this.#listening.set(address, others);
  }

  #unblock(key: string): void {
    const held = this.#blocked.get(key) ?? [];
    this.#blocked.delete(key);
    this.#ground.trace.note(this.#ground.scheduler.nowMs, `${key} gets through again`);
    for (const arrive of held) this.#ground.scheduler.in(0, arrive, 'first');
  }

  #wiresOf(process: Process): Wire[] {
    this.#wires = this.#wires.filter((wire) => !wire.isOver);
    return this.#wires.filter((wire) => wire.client.process === process || wire.server.process === process);
  }

  #connect(client: Process, address: string): Connection {
    const calls = new Set<(failure: TransportFailure) => void>();
    const open: Connection['open'] = (method, handlers) =>
      this.#open({ client, address, method, handlers }, (handler) =>
        handler.kind === 'stream' ? (stream) => handler.accept(stream, {}, client.name) : undefined,
      );
    return {
      call: (method, request, { deadlineMs }) => this.#call({ client, address, method, request, deadlineMs, calls }),
      open,
      openBulk: (method, _slabs, handlers) => open(method, handlers),
      close: () => {},
      cut() {
        for (const fail of calls) fail({ kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'it was given up' });
      },
    };
  }

  #open(
    { client, address, method, handlers }: Opening,
    accept: (handler: Handler) => StreamHandler['accept'] | undefined,
  ): Stream<unknown> {
    const listening = this.#listening.get(address)?.at(-1);
    const handler = listening?.handlers.find((one) => one.method.path === method.path);
    const accepted = handler === undefined ? undefined : accept(handler);
    const server = listening?.process ?? client;
    const { queueMax } = this.#swarm;
    const served = handler?.method ?? method;
    const wire = new Wire(this, { method, served, client, server, handlers, queueMax, id: ++this.#wireCount });
    if (accepted === undefined) {
      if (this.#silent.has(address)) this.#ground.scheduler.in(this.#silentMs(), () => wire.refuse(false));
      else wire.refuse(true);
      return { send: () => true, end: () => {}, abort: () => wire.leave() };
    }
    this.#wires.push(wire);
    return wire.open((stream) => accepted(stream, {}, client.name));
  }

  #call<Request, Response>({
    client,
    address,
    method,
    request,
    deadlineMs,
    calls,
  }: {
    readonly client: Process;
    readonly address: string;
    readonly method: Method<Request, Response>;
    readonly request: Request;
    readonly deadlineMs: number;
    /** Those of the connection that are under way. */
    readonly calls: Set<(failure: TransportFailure) => void>;
  }): Promise<Response> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        cancel();
        calls.delete(cut);
      };
      const fail = (failure: TransportFailure): void => {
        over();
        reject(new TransportError(failure));
      };
      const handlers: StreamHandlers<any> = {
        message(answer) {
          over();
          resolve(answer as Response);
        },
        drained() {},
        closed: (failure) =>
          fail(failure ?? { kind: 'broken', code: 'NETWORK_EXCEPTION', message: 'ended without an answer' }),
      };
      const stream = this.#open({ client, address, method, handlers }, (handler) =>
        handler.kind === 'call' ? (answers) => this.#answering(handler, answers, client.name) : undefined,
      );
      const cancel = client.clock.after(deadlineMs, () => {
        const failure = {
          kind: 'deadline',
          code: 'REQUEST_TIMED_OUT',
          message: `no answer in ${deadlineMs} ms`,
        } as const;
        cut(failure);
      });
      const cut = (failure: TransportFailure): void => {
        stream.abort(failure);
        fail(failure);
      };
      calls.add(cut);
      stream.send(request);
    });
  }

  #answering(
    handler: Extract<Handler, { kind: 'call' }>,
    stream: Stream<unknown>,
    peer: string,
  ): StreamHandlers<unknown> {
    return {
      message: (request) => {
        handler.answer(request, {}, peer).then(
          (answer: unknown) => stream.send(answer),
          (error: unknown) => {
            if (!(error instanceof WeirError)) return this.#ground.violated(`a call threw ${String(error)}`);
            stream.abort({ kind: 'refused', code: error.code, message: error.message });
          },
        );
      },
      drained() {},
      closed() {},
    };
  }
}

interface Opening {
  readonly client: Process;
  readonly address: string;
  readonly method: Method<any, any>;
  readonly handlers: StreamHandlers<any>;
}
