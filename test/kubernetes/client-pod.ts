import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Verdict } from '../faults/history.ts';
import type { Acknowledged, LoadResult } from './client.ts';
import type { FloodResult } from './flood.ts';
import type { Release } from './release.ts';
import { ROOT, run, Running } from './tools.ts';

const POD = 'weir-test-client';
/** What runs in it: paths below test/, which are its paths below /test as well. */
const FILES = ['kubernetes/client.ts', 'kubernetes/flood.ts', 'faults/history.ts'];

/** What security the restricted standard wants of every pod. */
const RESTRICTED = {
  pod: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
  container: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
} as const;

/** Who writes and reads from inside of the cluster: a pod of the image under test that outlives what is done to the others. */
export class ClientPod {
  /** All that was acknowledged through this client, whatever has been done since. */
  readonly #acknowledged: Acknowledged[] = [];
  #next = 0;
  readonly #release: Release;
  readonly #topic: string;
  readonly #partitions: number;

  constructor(release: Release, topic: { readonly name: string; readonly partitions: number }) {
    this.#release = release;
    this.#topic = topic.name;
    this.#partitions = topic.partitions;
  }

  /** Starts the pod, and creates its topic with the command line that is in the image. */
  async start(image: string): Promise<void> {
    const release = this.#release;
    const data = Object.fromEntries(FILES.map((path) => [keyOf(path), readFileSync(join(ROOT, 'test', path), 'utf8')]));
    release.apply(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: POD }, data },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: POD, labels: { app: POD } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: RESTRICTED.pod,
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'client',
              image,
              command: ['sleep', '86400'],
              securityContext: RESTRICTED.container,
              volumeMounts: [{ name: 'test', mountPath: '/test' }],
            },
          ],
          volumes: [
            { name: 'test', configMap: { name: POD, items: FILES.map((path) => ({ key: keyOf(path), path })) } },
          ],
        },
      },
    );
    release.kubectl('wait', '--for=condition=Ready', `pod/${POD}`, '--timeout=120s');
    this.createTopic(this.#topic, this.#partitions);
  }

  /** Creates a topic with the command line that is in the image. `configs`: as NAME=VALUE,… */
  createTopic(name: string, partitions: number, configs?: string): void {
    const words = ['weir', 'topic', 'create', name, '--partitions', String(partitions), ...this.#coordinators()];
    this.exec(...words, ...(configs === undefined ? [] : ['--configs', configs]));
  }

  /** Sends and reads as much as there is room for until `finish` is called. */
  flood(topic: string): { finish(): Promise<FloodResult> } {
    const { namespace } = this.#release;
    const words = ['--namespace', namespace, 'exec', '-i', POD, '--', 'node', '/test/kubernetes/flood.ts'];
    const running = new Running('kubectl', [...words, '--url', this.#url, '--topic', topic]);
    return {
      async finish() {
        const { ok, stdout, stderr } = await running.finish();
        if (!ok) throw new Error(`the flood ended: ${stderr.trim()}`);
        return JSON.parse(stdout) as FloodResult;
      },
    };
  }

  /** Runs a program in the pod. @throws Error when it fails */
  exec(...words: string[]): string {
    return this.#release.kubectl('exec', POD, '--', ...words);
  }

  /** Writes until `finish` is called, then notes what was acknowledged. */
  load(writers = 8): { finish(): Promise<LoadResult> } {
    const words = [...this.#words('load'), '--writers', String(writers), '--first-number', String(this.#next)];
    const running = new Running('kubectl', words);
    return {
      finish: async () => {
        const { ok, stdout, stderr } = await running.finish();
        if (!ok) throw new Error(`the load ended: ${stderr.trim()}`);
        const result = JSON.parse(stdout) as LoadResult;
        this.#next = result.next;
        // One by one: so many are no arguments of a call.
        for (const each of result.acknowledged) this.#acknowledged.push(each);
        return result;
      },
    };
  }

  /** Reads everything back and compares it with all that was ever acknowledged. */
  judge(): Verdict {
    const ledger = JSON.stringify({ next: this.#next, acknowledged: this.#acknowledged });
    return JSON.parse(run('kubectl', this.#words('judge'), ledger)) as Verdict;
  }

  /** Whether a TCP connection from this pod to a place is accepted. */
  canConnect(host: string, port: number): boolean {
    const script = `require('node:net').connect({host:'${host}',port:${port},timeout:3000},()=>process.exit(0)).on('error',()=>process.exit(1)).on('timeout',()=>process.exit(1))`;
    return this.#release.tryKubectl('exec', POD, '--', 'node', '-e', script).ok;
  }

  /** The gateways, as pods reach them. */
  get #url(): string {
    const { name, namespace } = this.#release;
    return `http://${name}-gateway.${namespace}.svc:8080`;
  }

  #words(mode: 'load' | 'judge'): string[] {
    const { namespace } = this.#release;
    const inPod = ['--namespace', namespace, 'exec', '-i', POD, '--', 'node', '/test/kubernetes/client.ts', mode];
    return inPod.concat('--url', this.#url, '--topic', this.#topic, '--partitions', String(this.#partitions));
  }

  #coordinators(): string[] {
    return ['--coordinators', `${this.#release.name}-coordinator:7070`];
  }
}

/** A ConfigMap's keys have no slashes. */
function keyOf(path: string): string {
  return path.replaceAll('/', '-');
}
