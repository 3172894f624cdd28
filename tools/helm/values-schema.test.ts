import { describe, expect, test } from 'vitest';
import { CHART } from './chart.ts';
import { findHelm, helm, NO_HELM } from './helm.ts';
import { render } from './render.ts';

const noHelm = findHelm() === undefined;
if (noHelm) console.warn(`skipped, what the chart refuses: ${NO_HELM}`);

/** What a user may get wrong, as words of `helm`, and what has to be in the message. */
const REFUSED: readonly (readonly [title: string, words: readonly string[], ...said: string[]])[] = [
  ['a value that does not exist', ['--set', 'broker.replica=3'], "'/broker'", "'replica' not allowed"],
  ['a component that does not exist', ['--set', 'etcd.enabled=true'], "'etcd' not allowed"],
  ['several coordinators', ['--set', 'coordinator.replicas=3'], "'/coordinator'", "'replicas' not allowed"],
  ['no brokers', ['--set', 'broker.replicas=0'], "'/broker/replicas'", 'want 1'],
  ['a number that is a text', ['--set-string', 'gateway.replicas=two'], "'/gateway/replicas'", 'want integer'],
  ['a switch that is a text', ['--set-string', 'tests.enabled=yes'], "'/tests/enabled'", 'want boolean'],
  ['a tag that is a number', ['--set-json', 'image.tag=1.1'], "'/image/tag'", 'want string'],
  ['a short digest', ['--set', 'image.digest=sha256:12'], "'/image/digest'", 'does not match pattern'],
  ['a tag in the repository of another kind', ['--set', 'image.repository=weir@sha256:1'], "'/image/repository'"],
  ['an option that the chart decides', ['--set', 'broker.config.data-dir=/data'], "'/broker/config'", "'data-dir'"],
  ['an option that no service has', ['--set', 'gateway.config.listen=x'], "'/gateway/config'", "'listen'"],
  [
    'an option out of bounds',
    ['--set', 'broker.config.memory-limit=1'],
    "'/broker/config/memory-limit'",
    'minimum: got 1',
  ],
  ['an amount that is none', ['--set', 'broker.resources.limits.memory=much'], "'/broker/resources/limits/memory'"],
  ['a size that is none', ['--set', 'broker.persistence.size=0'], "'/broker/persistence/size'"],
  ['no volume', ['--set', 'broker.persistence=null'], "'/broker'", "missing property 'persistence'"],
  ['a kind of Service', ['--set', 'gateway.service.type=External'], "'/gateway/service/type'", "'LoadBalancer'"],
  ['a port that is none', ['--set', 'gateway.service.port=70000'], "'/gateway/service/port'", 'maximum: got 70'],
  ['a way to schedule', ['--set', 'broker.scheduling=strict'], "'/broker/scheduling'", "'soft', 'hard'"],
  [
    'a label by which pods are found',
    ['--set', String.raw`broker.podLabels.app\.kubernetes\.io/name=x`],
    "invalid propertyName 'app.kubernetes.io/name'",
  ],
  ['a label that is a number', ['--set', 'broker.podLabels.cost=12'], "'/broker/podLabels/cost'", 'want string'],
  ['a variable without a name', ['--set', 'broker.extraEnv[0].value=x'], "'/broker/extraEnv/0'", "'name'"],
  ['an endpoint without a scheme', ['--set', 'tracing.endpoint=collector:4318'], "'/tracing/endpoint'"],
  ['a sampler', ['--set', 'tracing.sampler=jaeger_remote'], "'/tracing/sampler'", "'always_on'"],
  ['traces without an endpoint', ['--set', 'tracing.enabled=true'], 'tracing.enabled needs tracing.endpoint'],
  [
    'two ways to keep pods apart',
    ['--set', 'broker.scheduling=hard', '--set-json', 'broker.affinity={"podAntiAffinity":{}}'],
    'broker.scheduling is hard',
    'broker.affinity',
  ],
];

describe.skipIf(noHelm)('the chart refuses, and names it:', () => {
  test.for(REFUSED)('%s', ([, words, ...said]) => {
    for (const part of said) expect(() => render(...words)).toThrow(part);
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
