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
  ['a component that does not exist', ['--set', 'etcd.enabled=true'], 'etcd'],
  ['several coordinators', ['--set', 'coordinator.replicas=3'], 'coordinator', 'replicas'],
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

describe.skipIf(noHelm)('the chart refuses, and names it:', () => {
  test.for(REFUSED)('%s', ([, words, ...named]) => {
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
