import { describe, expect, test } from 'vitest';
import { CHART } from './chart.ts';
import { findHelm, helm, NO_HELM } from './helm.ts';

const noHelm = findHelm() === undefined;
if (noHelm) console.warn(`skipped, what the chart refuses: ${NO_HELM}`);

/**
 * What a user may get wrong, as words of `helm`, and what the message has to name. How it is put is Helm's business, and
 * changes with its version.
 */
const REFUSED: readonly (readonly [title: string, words: readonly string[], ...named: string[]])[] = [
  ['a value that does not exist', ['--set', 'broker.replica=3'], 'broker', 'replica'],
  ['a component that does not exist', ['--set', 'zookeeper.enabled=true'], 'zookeeper'],
  ["values of an older chart's, as --reuse-values has them", ['--set', 'etcd=null'], 'etcd'],
  ['no coordinator', ['--set', 'coordinator.replicas=0'], 'coordinator.replicas'],
  ['no brokers', ['--set', 'broker.replicas=0'], 'broker.replicas'],
  ['a number that is a text', ['--set-string', 'gateway.replicas=two'], 'gateway.replicas', 'integer'],
  ['a switch that is a text', ['--set-string', 'tests.enabled=yes'], 'tests.enabled', 'boolean'],
  ['a tag that is a number', ['--set-json', 'image.tag=1.1'], 'image.tag', 'string'],
  ['a short digest', ['--set', 'image.digest=sha256:12'], 'image.digest', 'pattern'],
  ['a repository with a digest', ['--set', 'image.repository=weir@sha256:1'], 'image.repository', 'pattern'],
  ['an option that the chart decides', ['--set', 'broker.config.data-dir=/data'], 'broker.config', 'data-dir'],
  ['an option that no service has', ['--set', 'gateway.config.colour=x'], 'gateway.config', 'colour'],
  ['an option out of bounds', ['--set', 'broker.config.memory-limit=1'], 'broker.config.memory-limit'],
  ['an amount that is none', ['--set', 'broker.resources.limits.memory=much'], 'broker.resources.limits.memory'],
  ['a size that is none', ['--set-string', 'broker.persistence.size=0Gi'], 'broker.persistence.size', 'pattern'],
  ['a StatefulSet without a volume', ['--set', 'broker.persistence=null'], 'broker', 'persistence'],
  ['a type that no Service has', ['--set', 'gateway.service.type=Outside'], 'gateway.service.type', 'LoadBalancer'],
  ['a port that is none', ['--set', 'gateway.service.port=70000'], 'gateway.service.port'],
  ['a way to schedule', ['--set', 'broker.scheduling=strict'], 'broker.scheduling', 'soft'],
  [
    'a label by which pods are found',
    ['--set', String.raw`broker.podLabels.app\.kubernetes\.io/name=x`],
    'app.kubernetes.io.name',
  ],
  ['a label that is a number', ['--set', 'broker.podLabels.cost=12'], 'broker.podLabels.cost', 'string'],
  ['a variable without a name', ['--set', 'broker.extraEnv[0].value=x'], 'broker.extraEnv.0', 'name'],
  ['an endpoint without a scheme', ['--set', 'tracing.endpoint=collector:4318'], 'tracing.endpoint', 'pattern'],
  ['a sampler', ['--set', 'tracing.sampler=jaeger_remote'], 'tracing.sampler', 'always_on'],
  ['peers that are no list', ['--set', 'networkPolicy.kafkaClients=all'], 'networkPolicy.kafkaClients', 'array'],
  ['two members of etcd', ['--set', 'etcd.replicas=2'], 'etcd.replicas'],
  ['a setting of etcd that the chart decides', ['--set', 'etcd.config.data-dir=/data'], 'etcd.config', 'data-dir'],
  ['an endpoint of etcd without a port', [...external('https://etcd.example.com')], 'etcd.external.endpoints.0'],
  ['a prefix that is none', ['--set', 'etcd.external.prefix=weir'], 'etcd.external.prefix', 'pattern'],
  [
    'network policies that keep the scrapers away',
    ['--set', 'networkPolicy.enabled=true,metrics.scrapeAnnotations=true'],
    'name who scrapes in networkPolicy.scrapers',
  ],
  ['traces without an endpoint', ['--set', 'tracing.enabled=true'], 'tracing.enabled needs tracing.endpoint'],
  [
    'a gateway that would be killed while it stops',
    ['--set', 'gateway.config.drain-time-ms=15001'],
    'gateway.terminationGracePeriodSeconds is 30',
    'make it 31 or more',
  ],
  [
    'two ways to keep pods apart',
    ['--set', 'broker.scheduling=hard', '--set-json', 'broker.affinity={"podAntiAffinity":{}}'],
    'broker.scheduling is hard',
    'broker.affinity',
  ],
];

/** Of the metadata's store: what makes no sense together, each with what to do. */
const REFUSED_STORES: typeof REFUSED = [
  [
    'several coordinators on SQLite',
    ['--set', 'etcd.enabled=false'],
    'coordinator.replicas is 2',
    'set coordinator.replicas=1',
    'etcd.enabled=true',
  ],
  [
    'an etcd of its own and another one',
    ['--set', 'etcd.external.endpoints[0]=http://etcd:2379'],
    'etcd.enabled is true',
    'set etcd.enabled=false',
  ],
  [
    'a Secret for no etcd',
    ['--set', 'etcd.external.existingSecret=s'],
    'etcd.external.existingSecret is for the etcd that etcd.external.endpoints names',
  ],
  [
    'keys of no Secret',
    external('https://etcd.example.com:2379', 'etcd.external.secretKeys.ca=ca.crt'),
    'etcd.external.secretKeys.ca names a key of a Secret',
    'etcd.external.existingSecret no Secret',
  ],
  [
    'a Secret without keys',
    external('https://etcd.example.com:2379', 'etcd.external.existingSecret=s'),
    'etcd.external.existingSecret is s',
    'name them',
  ],
  ...(
    [
      ['certificate', 'certificate', 'key'],
      ['user', 'user', 'password'],
      ['password', 'user', 'password'],
    ] as const
  ).map(([given, one, other]): (typeof REFUSED)[number] => [
    `a ${given} alone`,
    external('https://etcd.example.com:2379', `etcd.external.secretKeys.${given}=x`, 'etcd.external.existingSecret=s'),
    `etcd.external.secretKeys.${one} and etcd.external.secretKeys.${other} go together`,
  ]),
  ...['https://etcd:2379', 'https://10.0.0.7:2379', 'https://etcd.databases.svc:2379', 'https://[fd00::7]:2379'].map(
    (endpoint): (typeof REFUSED)[number] => [
      `${endpoint} without an authority`,
      external(endpoint),
      `etcd.external.endpoints has ${endpoint.replaceAll('/', '.')}`,
      'etcd.external.secretKeys.ca',
    ],
  ),
  [
    'endpoints with and without TLS',
    external('https://etcd-0.example.com:2379', 'etcd.external.endpoints[1]=http://etcd-1.example.com:2379'),
    'mixes http and https',
  ],
  [
    'a password in the clear',
    external(
      'http://etcd:2379',
      'etcd.external.secretKeys.user=username',
      'etcd.external.secretKeys.password=password',
      'etcd.external.existingSecret=s',
    ),
    'etcd.external.secretKeys.password would be sent in the clear to http:..etcd:2379',
    'use https',
  ],
  [
    'an authority without TLS',
    external('http://etcd:2379', 'etcd.external.secretKeys.ca=ca.crt', 'etcd.external.existingSecret=s'),
    'etcd.external.secretKeys.ca is for endpoints at https:',
  ],
  [
    'a pod that is no member',
    ['--set', 'etcd.joiningPod=etcd-7'],
    'etcd.joiningPod is etcd-7',
    'release-name-weir-etcd-0, release-name-weir-etcd-1, release-name-weir-etcd-2',
  ],
  [
    'one member that joins itself',
    ['--set', 'etcd.replicas=1,etcd.joiningPod=release-name-weir-etcd-0'],
    'no other member that it could join',
    'backup',
  ],
  [
    'a member that joins SQLite',
    ['--set', 'etcd.enabled=false,coordinator.replicas=1,etcd.joiningPod=x'],
    'leave it empty',
  ],
  [
    "a volume that etcd's file outgrows",
    ['--set', 'etcd.quota=2Gi'],
    'etcd.persistence.size is 2Gi, and etcd.quota is 2Gi',
    '4831838208 bytes',
  ],
  [
    'an etcd that restricted egress does not reach',
    external('http://etcd:2379', 'networkPolicy.enabled=true', 'networkPolicy.egress.restricted=true'),
    'say where it is in networkPolicy.egress.to',
  ],
];

/** The words for an etcd that is there already. */
function external(endpoint: string, ...more: string[]): string[] {
  const words = ['etcd.enabled=false', `etcd.external.endpoints[0]=${endpoint}`, ...more];
  return words.flatMap((word) => ['--set', word]);
}

describe.skipIf(noHelm)('the chart refuses, and names it:', () => {
  test.for([...REFUSED, ...REFUSED_STORES])('%s', ([, words, ...named]) => {
    const { ok, stderr } = helm('template', [CHART, ...words]);
    expect(ok).toBe(false);
    // Values are named by paths with slashes, or with dots.
    const message = stderr.replaceAll('/', '.');
    for (const name of named) expect(message).toContain(name);
  });

  test("a cluster that has not the Prometheus operator's kinds, where they are asked for", () => {
    for (const [value, kind] of [
      ['metrics.podMonitor.enabled', 'PodMonitor'],
      ['metrics.prometheusRule.enabled', 'PrometheusRule'],
    ] as const) {
      const { ok, stderr } = helm('template', [CHART, '--set', `${value}=true`]);
      expect(ok).toBe(false);
      expect(stderr).toContain(`${value} needs the kind ${kind} of the Prometheus operator`);
    }
  });
});
