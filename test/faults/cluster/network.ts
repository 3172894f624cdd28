import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

const BRIDGE = 'weir0';
const PREFIX = '10.97.0';
const NAMESPACES = '/run/netns';

/** Where a process runs: an address, and what it has to be started with to have it. */
export interface Place {
  readonly name: string;
  readonly address: string;
  /** A program with its words that runs another one there; empty: it runs there as it is. */
  readonly runner: readonly string[];
}

/** How packets of a cut link are lost: in silence, or with a TCP reset to whoever sends one. */
type Loss = 'drop' | 'reset';

/** A way from one place to another, on which packets can be lost. */
interface Way {
  readonly from: Place;
  readonly to: Place;
}

/**
 * A bridge with hosts on it, in the network namespace of this program: each host is a namespace of its own, whose links to
 * others can be cut. It goes when this program does (sandbox.ts), and with the last `Network` in it.
 */
export class Network {
  /** Whence connections come that are made outside of the hosts: those of clients, and the gateway's. */
  readonly clients: Place;
  readonly #hosts: Place[] = [];
  #addresses = 0;

  constructor() {
    mkdirSync(NAMESPACES, { recursive: true });
    run('mount', '-t', 'tmpfs', 'none', NAMESPACES);
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
    run('ip', 'link', 'set', BRIDGE, 'up');
    // The first one of a device is what its connections have.
    this.clients = this.place('clients');
  }

  /** An address on the bridge itself: from hosts it can be cut off, by itself it has no link. */
  place(name: string): Place {
    const address = this.#nextAddress();
    run('ip', 'address', 'add', `${address}/24`, 'dev', BRIDGE);
    return { name, address, runner: [] };
  }

  /** A host with a link to the bridge. */
  host(name: string): Place {
    const address = this.#nextAddress();
    const link = linkOf(this.#hosts.length);
    run('ip', 'netns', 'add', name);
    run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    run('ip', 'link', 'set', link, 'master', BRIDGE, 'up');
    run('ip', '-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    run('ip', '-n', name, 'link', 'set', 'eth0', 'up');
    run('ip', '-n', name, 'link', 'set', 'lo', 'up');
    const host = { name, address, runner: ['nsenter', `--net=${NAMESPACES}/${name}`] };
    this.#hosts.push(host);
    return host;
  }

  /** Nothing gets from a host to another place, nor back. @param loss - whether senders are told */
  cut(host: Place, other: Place, loss: Loss = 'drop'): void {
    this.#rules(host, '-A', { from: host, to: other }, loss);
    this.#rules(host, '-A', { from: other, to: host }, loss);
  }

  /** Nothing gets to a host from another place; the way back is open. */
  cutOneWay(host: Place, from: Place): void {
    this.#rules(host, '-A', { from, to: host }, 'drop');
  }

  /** Takes back the `cut` of the same places. */
  mend(host: Place, other: Place, loss: Loss = 'drop'): void {
    this.#rules(host, '-D', { from: host, to: other }, loss);
    this.#rules(host, '-D', { from: other, to: host }, loss);
  }

  /** A host's link carries so much at most, and loses a share of the packets that come to it. */
  degrade(host: Place, { mbitPerSecond, loss }: { readonly mbitPerSecond: number; readonly loss: number }): void {
    const bucket = ['rate', `${mbitPerSecond}mbit`, 'burst', '16kb', 'latency', '400ms'];
    run('tc', '-n', host.name, 'qdisc', 'replace', 'dev', 'eth0', 'root', 'tbf', ...bucket);
    const random = ['-m', 'statistic', '--mode', 'random', '--probability', String(loss)];
    this.#iptables(host, '-A', 'INPUT', ...random, '-j', 'DROP');
  }

  /** Every link is as it was made. */
  heal(): void {
    for (const host of this.#hosts) {
      this.#iptables(host, '-F');
      attempt('tc', '-n', host.name, 'qdisc', 'del', 'dev', 'eth0', 'root');
    }
  }

  remove(): void {
    for (const [i, { name }] of this.#hosts.entries()) {
      // A namespace lives for as long as a connection in it does that nobody holds any more; so would its links.
      run('ip', 'link', 'delete', linkOf(i));
      run('ip', 'netns', 'delete', name);
    }
    run('ip', 'link', 'delete', BRIDGE);
    run('umount', NAMESPACES);
  }

  #rules(host: Place, act: '-A' | '-D', { from, to }: Way, loss: Loss): void {
    const match = to === host ? ['INPUT', '-s', from.address] : ['OUTPUT', '-d', to.address];
    // Only TCP can be reset, and all that matters is TCP.
    const target = loss === 'drop' ? ['-j', 'DROP'] : ['-p', 'tcp', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
    this.#iptables(host, act, ...match, ...target);
  }

  #iptables(host: Place, ...words: readonly string[]): void {
    run(host.runner[0]!, ...host.runner.slice(1), 'iptables', '-w', '5', ...words);
  }

  #nextAddress(): string {
    return `${PREFIX}.${++this.#addresses}`;
  }
}

function linkOf(host: number): string {
  return `weir-${host}`;
}

function run(program: string, ...words: readonly string[]): void {
  execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
}

function attempt(program: string, ...words: readonly string[]): void {
  try {
    run(program, ...words);
  } catch {
    // There was nothing to take back.
  }
}
