import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Verdict } from '../faults/history.ts';
import { joinVerdicts } from '../faults/scenario.ts';
import type { FloodResult } from './flood.ts';
import type { Acknowledged, LoadResult } from './load-tally.ts';
import type { ConsumersResult } from './rest-consumers.ts';
import type { Release } from './release.ts';
import { ROOT, run, Running } from './tools.ts';

const POD = 'weir-test-client';
/** What runs in it: paths below test/, which are its paths below TEST as well. */
const FILES = [
  'kubernetes/client.ts',
  'kubernetes/flood.ts',
  'kubernetes/kafka-load.ts',
  'kubernetes/kafka-writer.ts',
  'kubernetes/load-tally.ts',
  'kubernetes/rest-consumers.ts',
  'cluster/http-client.ts',
  'harness/group-ledger.ts',
  'harness/http-group.ts',
  'harness/kafka-connection.ts',
  'faults/history.ts',
];
/** A place from which Node finds the packages that the image's broker has. */
const TEST = '/weir/services/broker/test';

/** More than there are consumers. */
const CONSUMERS_PARTITIONS = 8;
/** Between two requests of a writer. */
const PACE_MS = 20;
/** For so long a gateway tries again, and a Kafka client that does so as well. */
const RETRY_MS = 30_000;

/** How Kafka clients take it that a request has no answer, or one that it may be tried again. */
export type KafkaClients = 'give up' | 'try again';

/** A partition as the metadata has it, with brokers by their ids. */
export interface PartitionState {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** Consumers over HTTP, and who writes what they read, in the client's pod. */
export interface ConsumersLoad {
  /** Where gateways are now, as host:port: the first call begins with them. */
  tell(addresses: readonly string[]): void;
  /** Resolves once every reader was given records by each of those, after they were told. */
  served(): Promise<void>;
  /** All that was written is read, and the consumers are deleted. */
  finish(): Promise<ConsumersResult>;
}

/** What security the restricted standard wants of every pod. */
const RESTRICTED = {
  pod: { runAsNonRoot: true, runAsUser: 10_001, seccompProfile: { type: 'RuntimeDefault' } },
  container: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
} as const;

/** Who writes and reads from inside of the cluster: a pod of the image under test that outlives what is done to the others. */
export class ClientPod {
  readonly #release: Release;
  readonly #partitions: number;
  readonly #http: Ledger;
  readonly #kafka: Ledger;

  constructor(release: Release, topic: { readonly name: string; readonly partitions: number }) {
    this.#release = release;
    this.#partitions = topic.partitions;
    this.#http = { topic: topic.name, next: 0, acknowledged: [] };
    this.#kafka = { topic: `${topic.name}-kafka`, next: 0, acknowledged: [] };
  }

  /** Starts the pod, and creates its topics with the command line that is in the image. */
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
              volumeMounts: [{ name: 'test', mountPath: TEST }],
            },
          ],
          volumes: [
            { name: 'test', configMap: { name: POD, items: FILES.map((path) => ({ key: keyOf(path), path })) } },
          ],
        },
      },
    );
    release.kubectl('wait', '--for=condition=Ready', `pod/${POD}`, '--timeout=120s');
    for (const { topic } of [this.#http, this.#kafka]) this.createTopic(topic, this.#partitions);
  }

  /** Creates a topic with the command line that is in the image. `configs`: as NAME=VALUE,… */
  createTopic(name: string, partitions: number, configs?: string): void {
    const words = ['topic', 'create', name, '--partitions', String(partitions)];
    this.weir(...words, ...(configs === undefined ? [] : ['--configs', configs]));
  }

  /** Creates a topic over HTTP, as applications do. @throws Error with the answer, when it is not that it was created */
  createTopicOverHttp(name: string): void {
    const ask = `fetch('${this.#url}/v1/topics',{method:'POST',headers:{'content-type':'application/json'},body:'{"name":"${name}"}'})`;
    const answer = this.exec('node', '-e', `${ask}.then(async (a) => console.log(a.status, await a.text()))`);
    if (!/^20[01] /.test(answer)) throw new Error(`creating the topic ${name}: ${answer.trim()}`);
  }

  /** Sends and reads as much as there is room for until `finish` is called. */
  flood(topic: string): { finish(): Promise<FloodResult> } {
    const { namespace } = this.#release;
    const words = ['--namespace', namespace, 'exec', '-i', POD, '--', 'node', `${TEST}/kubernetes/flood.ts`];
    const running = new Running('kubectl', [...words, '--url', this.#url, '--topic', topic]);
    return {
      async finish() {
        const { ok, stdout, stderr } = await running.finish();
        if (!ok) throw new Error(`the flood ended: ${stderr.trim()}`);
        return JSON.parse(stdout) as FloodResult;
      },
    };
  }

  /** Groups of consumers over HTTP that read a topic of their own, which is created. */
  consumers(topic: string): ConsumersLoad {
    this.createTopic(topic, CONSUMERS_PARTITIONS);
    const words = ['--namespace', this.#release.namespace, 'exec', '-i', POD, '--'];
    const script = [`${TEST}/kubernetes/rest-consumers.ts`, '--url', this.#url, '--topic', topic];
    const running = new Running('kubectl', [...words, 'node', ...script]);
    let told = 0;
    return {
      tell(addresses) {
        told++;
        running.tell(JSON.stringify(addresses));
      },
      served: () => running.until(`served ${told}`),
      async finish() {
        const { ok, stdout, stderr } = await running.finish();
        if (!ok) throw new Error(`the consumers ended: ${stderr.trim()}`);
        return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as ConsumersResult;
      },
    };
  }

  /** Runs a program in the pod. @throws Error when it fails */
  exec(...words: string[]): string {
    return this.#release.kubectl('exec', POD, '--', ...words);
  }

  /** Writes over HTTP until `finish` is called, then notes what was acknowledged. */
  load(writers = 8): { finish(): Promise<LoadResult> } {
    const words = ['client.ts', 'load', '--url', this.#url, '--writers', String(writers)];
    return this.#running(this.#http, words);
  }

  /**
   * Writes at a pace that can be kept up for minutes, over HTTP and, into a topic of its own, over Kafka's protocol.
   * `finish` notes what was acknowledged, and tells what came of each.
   */
  steadyLoad(kafkaClients: KafkaClients = 'give up'): {
    finish(): Promise<{ readonly http: LoadResult; readonly kafka: LoadResult }>;
  } {
    const pace = ['--pace-ms', String(PACE_MS)];
    const http = this.#running(this.#http, ['client.ts', 'load', '--url', this.#url, '--writers', '4', ...pace]);
    const bootstrap = `${this.#release.name}-kafka:9092`;
    const retry = ['--retry-ms', String(kafkaClients === 'try again' ? RETRY_MS : 0)];
    const kafka = this.#running(this.#kafka, ['kafka-load.ts', '--bootstrap', bootstrap, ...pace, ...retry]);
    return { finish: async () => ({ http: await http.finish(), kafka: await kafka.finish() }) };
  }

  /** Reads everything back and compares it with all that was ever acknowledged. */
  judge(): Verdict {
    const verdicts = [this.#judge(this.#kafka), this.#judge(this.#http)];
    const sum = (of: 'acknowledged' | 'stored'): number => verdicts.reduce((total, each) => total + each[of], 0);
    return { ...joinVerdicts(verdicts), acknowledged: sum('acknowledged'), stored: sum('stored') };
  }

  #running(ledger: Ledger, words: readonly string[]): { finish(): Promise<LoadResult> } {
    const first = ['--first-number', String(ledger.next)];
    const running = new Running('kubectl', [...this.#inPod(ledger, words), ...first]);
    return {
      async finish() {
        const { ok, stdout, stderr } = await running.finish();
        if (!ok) throw new Error(`the load ended: ${stderr.trim()}`);
        const result = JSON.parse(stdout) as LoadResult;
        ledger.next = result.next;
        // One by one: so many are no arguments of a call.
        for (const each of result.acknowledged) ledger.acknowledged.push(each);
        return result;
      },
    };
  }

  #judge(ledger: Ledger): Verdict {
    const words = this.#inPod(ledger, ['client.ts', 'judge', '--url', this.#url]);
    return JSON.parse(run('kubectl', words, JSON.stringify(ledger))) as Verdict;
  }

  /** The partitions of all that is loaded. */
  partitions(): readonly PartitionState[] {
    const { name: release } = this.#release;
    // NetworkPolicies may keep this pod from the coordinators; they let each other through.
    const words = ['weir', 'topic', 'list', '-o', 'json', '--coordinators', this.#release.coordinators()];
    const topics = JSON.parse(this.#release.kubectl('exec', `${release}-coordinator-0`, '--', ...words)) as {
      name: string;
      partitions: PartitionState[];
    }[];
    const loaded = [this.#http.topic, this.#kafka.topic];
    return topics.flatMap(({ name, partitions }) => (loaded.includes(name) ? partitions : []));
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

  /** The words of `kubectl` for a script of test/kubernetes. */
  #inPod({ topic }: Ledger, [script, ...words]: readonly string[]): string[] {
    const { namespace } = this.#release;
    const node = ['--namespace', namespace, 'exec', '-i', POD, '--', 'node', `${TEST}/kubernetes/${script}`];
    return [...node, ...words, '--topic', topic, '--partitions', String(this.#partitions)];
  }

  /** Runs the command line that is in the image. @throws Error when it fails */
  weir(...words: string[]): string {
    return this.exec('weir', ...words, '--coordinators', this.#release.coordinators());
  }
}

/** All that was acknowledged in a topic, whatever has been done since. */
interface Ledger {
  readonly topic: string;
  next: number;
  readonly acknowledged: Acknowledged[];
}

/** A ConfigMap's keys have no slashes. */
function keyOf(path: string): string {
  return path.replaceAll('/', '-');
}
