import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { present } from '@weir/base/assert.ts';
import { parseEndpoints } from '@weir/coordinator/store/etcd/endpoints.ts';
import type { EtcdEndpoint } from '@weir/coordinator/store/etcd/endpoints.ts';
import { endWithUs } from '../harness/end-with-us.ts';
import { freePorts } from '../harness/free-ports.ts';
import { Proxy } from '../harness/proxy.ts';
import { etcdProgram } from './program.ts';

const START_MS_MAX = 30_000;

/** Files for TLS, as etcd's options name them. */
export interface TlsFiles {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A member's program, with its data, over restarts. */
class EtcdMember {
  readonly name: string;
  readonly clientUrl: string;
  /** The way on which the other members reach it. */
  readonly fromPeers: Proxy;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  constructor(
    name: string,
    { clientUrl, fromPeers, command }: { clientUrl: string; fromPeers: Proxy; command: string[] },
  ) {
    this.name = name;
    this.clientUrl = clientUrl;
    this.fromPeers = fromPeers;
    this.#command = command;
  }

  start(): void {
    const child = spawn(this.#command[0]!, this.#command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr
      .setEncoding('utf8')
      .on('data', (text: string) => (this.#output = (this.#output + text).slice(-20_000)));
    this.#child = child;
    endWithUs(child);
  }

  /** What it said last, for who has to find out why it is not there. */
  get output(): string {
    return this.#output;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }
}

/** An etcd cluster on loopback, in a directory that goes with it. */
export class EtcdCluster {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly EtcdEndpoint[];
  readonly #directory: string;

  private constructor(directory: string, members: readonly EtcdMember[]) {
    this.#directory = directory;
    this.members = members;
    this.endpoints = parseEndpoints(members.map(({ clientUrl }) => clientUrl).join(','));
  }

  /** @param options.program - where etcd is, if it is not where `npm run test:etcd` has built it */
  static async start(
    count: number,
    { tls, program = etcdProgram }: { readonly tls?: TlsFiles; readonly program?: string | undefined } = {},
  ): Promise<EtcdCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'weir-etcd-'));
    const ports = await freePorts(2 * count);
    const scheme = tls === undefined ? 'http' : 'https';
    const places = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const peerAddress = `127.0.0.1:${ports[2 * i + 1]}`;
        const fromPeers = await Proxy.start(peerAddress);
        return { name: `m${i}`, clientUrl: `${scheme}://127.0.0.1:${ports[2 * i]}`, peerAddress, fromPeers };
      }),
    );
    const initial = places.map(({ name, fromPeers }) => `${name}=http://${fromPeers.address}`).join(',');
    const members = places.map(({ name, clientUrl, peerAddress, fromPeers }) => {
      const command = [
        present(program, 'etcd was built'),
        `--name=${name}`,
        `--data-dir=${join(directory, name)}`,
        '--log-level=warn',
        `--listen-client-urls=${clientUrl}`,
        `--advertise-client-urls=${clientUrl}`,
        `--listen-peer-urls=http://${peerAddress}`,
        `--initial-advertise-peer-urls=http://${fromPeers.address}`,
        `--initial-cluster=${initial}`,
        `--initial-cluster-token=${directory}`,
        ...(tls === undefined ? [] : tlsArguments(tls)),
      ];
      return new EtcdMember(name, { clientUrl, fromPeers, command });
    });
    const cluster = new EtcdCluster(directory, members);
    for (const member of members) member.start();
    if (tls === undefined) await cluster.untilHealthy();
    return cluster;
  }

  /** One member's answer over etcd's JSON gateway. */
  async ask(member: EtcdMember, path: string, body: object = {}): Promise<Record<string, unknown>> {
    const response = await fetch(`${member.clientUrl}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`etcd answers /v3/${path} with ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Waits until all members agree on a leader and serve. */
  async untilHealthy(): Promise<void> {
    const untilMs = performance.now() + START_MS_MAX;
    for (;;) {
      const leaders = await Promise.all(this.members.map((member) => this.#leaderAsSeenBy(member)));
      if (leaders[0] !== undefined && leaders.every((leader) => leader === leaders[0])) return;
      if (performance.now() > untilMs) {
        const outputs = this.members.map(({ name, output }) => `${name}: ${output.slice(-2_000)}`);
        throw new Error(`etcd did not get healthy within ${START_MS_MAX} ms:\n${outputs.join('\n')}`);
      }
      await sleep(100);
    }
  }

  /** The member that leads. */
  async leader(): Promise<EtcdMember> {
    for (const member of this.members) {
      const { leader, header } = await this.ask(member, 'maintenance/status');
      if ((header as { member_id: string }).member_id === leader) return member;
    }
    throw new Error('no member leads');
  }

  /** Makes another member lead; returns it. */
  async changeLeader(): Promise<EtcdMember> {
    const leader = await this.leader();
    const next = this.members[(this.members.indexOf(leader) + 1) % this.members.length]!;
    const { header } = await this.ask(next, 'maintenance/status');
    await this.ask(leader, 'maintenance/transfer-leadership', {
      targetID: (header as { member_id: string }).member_id,
    });
    return next;
  }

  async stop(): Promise<void> {
    for (const member of this.members) member.resume();
    await Promise.all(this.members.map((member) => member.kill()));
    for (const { fromPeers } of this.members) fromPeers.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #leaderAsSeenBy(member: EtcdMember): Promise<string | undefined> {
    try {
      const { leader } = await this.ask(member, 'maintenance/status');
      // Only who can read from a majority is well.
      await this.ask(member, 'kv/range', { key: Buffer.from('x').toString('base64') });
      return leader as string;
    } catch {
      return undefined;
    }
  }
}

function tlsArguments({ caFile, certificateFile, keyFile }: TlsFiles): string[] {
  return [
    `--cert-file=${certificateFile}`,
    `--key-file=${keyFile}`,
    `--trusted-ca-file=${caFile}`,
    '--client-cert-auth',
  ];
}
