import { setTimeout as pause } from 'node:timers/promises';
import { CHART, run, tryRun } from './tools.ts';
import type { Ended } from './tools.ts';

/** How long anything may take to become ready. */
const READY_SECONDS_MAX = 240;

/** A pod, as far as the test looks. */
export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** Empty while it has none. */
  readonly address: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** Whether a container was ended for its memory. */
  readonly oomKilled: boolean;
}

/** A release of the chart in a namespace of its own. */
export class Release {
  readonly name: string;
  readonly namespace: string;
  readonly #words: readonly string[];

  /** @param words - for `helm`, in every installation */
  constructor(name: string, namespace: string, words: readonly string[] = []) {
    this.name = name;
    this.namespace = namespace;
    this.#words = words;
  }

  /** A namespace in which only pods of the restricted standard may run. */
  createNamespace(): void {
    const { name: _name, namespace } = this;
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted', 'weir.dev/test': 'kubernetes' };
    this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } });
  }

  install(...words: string[]): void {
    run('helm', ['install', this.name, CHART, '--namespace', this.namespace, ...this.#words, ...words]);
  }

  upgrade(...words: string[]): void {
    run('helm', ['upgrade', this.name, CHART, '--namespace', this.namespace, ...words]);
  }

  uninstall(): void {
    run('helm', ['uninstall', this.name, '--namespace', this.namespace, '--wait']);
  }

  /** `kubectl` in the namespace. @throws Error when it fails */
  kubectl(...words: string[]): string {
    return run('kubectl', ['--namespace', this.namespace, ...words]);
  }

  /** The same, where a failure is an answer. */
  tryKubectl(...words: string[]): Ended {
    return tryRun('kubectl', ['--namespace', this.namespace, ...words]);
  }

  apply(...objects: object[]): void {
    const items = objects.map((object) => JSON.stringify(object)).join('\n---\n');
    run('kubectl', ['--namespace', this.namespace, 'apply', '-f', '-'], items);
  }

  /** Pods of the release, or of one of its components. */
  pods(component?: string): Pod[] {
    const selector = [
      `app.kubernetes.io/instance=${this.name}`,
      component === undefined
        ? 'app.kubernetes.io/component in (etcd,coordinator,broker,gateway)'
        : `app.kubernetes.io/component=${component}`,
    ].join(',');
    const { items } = JSON.parse(this.kubectl('get', 'pods', '--selector', selector, '--output', 'json')) as {
      items: PodObject[];
    };
    return items.map(podOf);
  }

  /** Where coordinators are, as pods of the namespace reach them. */
  coordinators(): string {
    const set = `${this.name}-coordinator`;
    const replicas = this.kubectl('get', 'statefulset', set, '--output', 'jsonpath={.spec.replicas}');
    return Array.from({ length: Number(replicas) }, (_, i) => `${set}-${i}.${set}:7070`).join();
  }

  /** Workloads as kubectl names them: statefulset/weir-broker and so on. */
  workloads(): string[] {
    const selector = `app.kubernetes.io/instance=${this.name}`;
    return this.kubectl('get', 'statefulsets,deployments', '--selector', selector, '--output', 'name')
      .trim()
      .split('\n')
      .map((name) => name.replace('.apps', ''));
  }

  /** Waits until every workload has rolled out. @throws Error with the state of the pods */
  async ready(): Promise<void> {
    for (const workload of this.workloads()) {
      const words = ['rollout', 'status', workload, `--timeout=${READY_SECONDS_MAX}s`];
      const { ok, stderr } = this.tryKubectl(...words);
      if (!ok) throw new Error(`${workload} does not become ready: ${stderr.trim()}\n${this.state()}`);
    }
    await this.until('every pod is ready', () => this.pods().every(({ ready }) => ready));
  }

  /** Waits for a condition. @throws Error that names it and the state of the pods, after READY_SECONDS_MAX */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = Date.now() + READY_SECONDS_MAX * 1_000;
    while (!holds()) {
      if (Date.now() > deadline) throw new Error(`not within ${READY_SECONDS_MAX} s: ${what}\n${this.state()}`);
      await pause(200);
    }
  }

  /** For messages: pods, events and the last words of containers that are not ready. */
  state(): string {
    const pods = this.tryKubectl('get', 'pods', '--output', 'wide').stdout;
    const events = this.tryKubectl('get', 'events', '--sort-by=.lastTimestamp')
      .stdout.split('\n')
      .slice(-15)
      .join('\n');
    const logs = this.pods()
      .filter(({ ready }) => !ready)
      .map(({ name }) => `${name}:\n${this.tryKubectl('logs', name, '--tail=8').stdout}`);
    return [pods, events, ...logs].join('\n');
  }
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly lastState?: { readonly terminated?: { readonly reason?: string } };
    }[];
  };
}

function podOf({ metadata, spec, status }: PodObject): Pod {
  const containers = status.containerStatuses ?? [];
  const isReady = status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
  return {
    name: metadata.name,
    uid: metadata.uid,
    node: spec.nodeName ?? '',
    address: status.podIP ?? '',
    ready: isReady && metadata.deletionTimestamp === undefined,
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    oomKilled: containers.some(({ lastState }) => lastState?.terminated?.reason === 'OOMKilled'),
  };
}
