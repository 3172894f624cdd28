import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endOffsets } from '../../deploy/helm/weir/scripts/kafka.ts';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { http } from '../cluster/http-client.ts';
import { GroupMember } from '../harness/group-member.ts';
import { PrometheusServer } from './prometheus-server.ts';
import { alertQueries, analyse, panelQueries, substituted, variableQueries } from './queries.ts';
import { missingProgram } from './rules.ts';

/** Labels that come from Prometheus or from who tells it what to scrape. */
const OF_THE_SCRAPE = ['namespace', 'job', 'instance', 'pod', 'le'];
/** These are about the machine that the test runs on. */
const OF_THE_MACHINE = [
  'WeirDiskLow',
  'WeirDiskFillPredicted',
  'WeirMemoryHigh',
  'WeirEventLoopLag',
  'WeirProduceSlow',
];
const DATA_MS_MAX = 25_000;
/** Longer than the tests take. */
const LONG_MS = 600_000;
/** Several scrapes, so that every rate has two samples. */
const RATE_INTERVAL = '4s';

const cluster = new DevCluster('--separate', '--brokers', '2');
const load = { over: false };
let loading: Promise<void>;

beforeAll(async () => {
  await cluster.start();
  loading = keepBusy();
});
afterAll(async () => {
  load.over = true;
  await loading;
  await cluster.remove();
});

/** Something of everything: keyed and bare, read from memory and from disk, followed, by a group, and what is not there. */
async function keepBusy(): Promise<void> {
  const { url } = cluster;
  await http(`${url}/v1/topics`, { body: { name: 'seen', partitions: 4 } });
  const stream = new AbortController();
  const followed = fetch(`${url}/v1/topics/seen/stream`, { signal: stream.signal })
    .then((response) => response.text())
    .catch(() => undefined);
  const { args } = cluster.service('broker');
  const kafka = args[args.indexOf('--kafka-listen') + 1]!;
  // It never beats.
  const member = await GroupMember.find(kafka, {
    group: 'readers',
    topic: 'seen',
    partitions: 4,
    sessionTimeoutMs: LONG_MS,
  });
  expect([await member.join(), await member.sync()]).toEqual([0, { error: 0, partitions: 4 }]);
  for (let n = 0; !load.over; n++) {
    await http(`${url}/v1/topics/seen/records?keyField=n`, {
      body: Array.from({ length: 20 }, (_, i) => ({ n: n + i })),
    });
    await http(`${url}/v1/topics/seen/records?limit=100`);
    await http(`${url}/v1/topics/missing`);
    const ends = await endOffsets(kafka, 'seen');
    await member.commitEach(new Map([...ends].map(([partition, end]) => [partition, Number(end)])));
    await http(`${url}/v1/tree/seen`, { method: 'PUT', body: String(n) });
    await pause(20);
  }
  member.close();
  stream.abort();
  await followed;
}

/** Label names by metric, over all services, as they are scraped. */
async function exported(): Promise<Map<string, Set<string>>> {
  const labels = new Map<string, Set<string>>();
  const pages = await Promise.all(cluster.services.map(({ ops }) => http(`http://${ops}/metrics`)));
  for (const line of pages.flatMap(({ text }) => text.split('\n'))) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? /.exec(line);
    if (match === null) continue;
    const names = labels.get(match[1]!) ?? new Set();
    for (const [, name] of (match[2] ?? '').matchAll(/(\w+)="/g)) names.add(name!);
    labels.set(match[1]!, names);
  }
  return labels;
}

/** Looks again and again until there are no problems, or for as long as it may take; returns those of the last look. */
async function problemsLeft(look: () => Promise<string[]>): Promise<string[]> {
  const deadline = Date.now() + DATA_MS_MAX;
  for (;;) {
    const problems = await look();
    if (problems.length === 0 || Date.now() > deadline) return problems;
    await pause(200);
  }
}

// What etcd exports is compared with what is asked of it in test/etcd.
test('every query is PromQL, and every metric and label of ours in it is exported', async () => {
  expect(await problemsLeft(async () => problemsOf(await exported()))).toEqual([]);
});

function problemsOf(metrics: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  return [...panelQueries(), ...variableQueries(), ...alertQueries()].flatMap(({ place, expr, legend }) => {
    const spoken = analyse(substituted(expr, RATE_INTERVAL));
    if (spoken.metrics.every(({ name }) => name.startsWith('etcd_'))) return [];
    const known = new Set(OF_THE_SCRAPE);
    const problems = spoken.metrics.flatMap(({ name, labels }) => {
      const has = metrics.get(name);
      if (has === undefined) return [`${place}: nobody exports ${name}`];
      for (const label of has) known.add(label);
      return labels
        .filter((label) => !has.has(label) && !OF_THE_SCRAPE.includes(label))
        .map((label) => `${place}: ${name} has no label ${label}`);
    });
    const unknown = [...spoken.grouping, ...legend].filter((label) => !known.has(label));
    return [...problems, ...unknown.map((label) => `${place}: nothing has the label ${label}`)];
  });
}

test('what is exported is in docs/METRICS.md, and the other way round', async () => {
  const page = readFileSync('docs/METRICS.md', 'utf8');
  const described = new Set([...page.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!));
  const left = await problemsLeft(async () => {
    // Some have a name of their own that ends as those of a histogram's parts do.
    const familyOf = (name: string): string => (described.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));
    const families = new Set([...(await exported()).keys()].map(familyOf));
    const ours = [...described].filter((name) => /^(weir|kafka)_/.test(name));
    return [
      ...[...families].filter((name) => !described.has(name)).map((name) => `${name} is not described`),
      ...ours.filter((name) => !families.has(name)).map((name) => `${name} is not exported`),
    ];
  });
  expect(left).toEqual([]);
});

test('the lag of a group is told in every partition, whoever leads it, by one broker', async () => {
  const left = await problemsLeft(async () => {
    const brokers = cluster.services.filter(({ kind }) => kind === 'broker');
    const pages = await Promise.all(brokers.map(({ ops }) => http(`http://${ops}/metrics`)));
    const series = /^weir_group_lag_seconds\{group="readers",topic="seen",partition="(\d)"\} [\d.]+$/gm;
    const found = pages.map(({ text }) =>
      [...text.matchAll(series)]
        .map((match) => match[1]!)
        .toSorted()
        .join(),
    );
    return found.toSorted().join(' ') === ' 0,1,2,3' ? [] : found;
  });
  expect(left).toEqual([]);
});

const noPromtool = missingProgram('promtool');
describe.skipIf(noPromtool !== undefined)(`by promtool${noPromtool === undefined ? '' : ` (${noPromtool})`}`, () => {
  test.each(['coordinator', 'broker', 'gateway'] as const)(
    'the metrics of the %s are as Prometheus wants them',
    async (kind) => {
      const { text } = await http(`http://${cluster.service(kind).ops}/metrics`);
      // Node's own have their names from prom-client, and sums of groups theirs from kafka_exporter.
      const ours = text
        .split('\n')
        .filter((line) => /^(# (HELP|TYPE) )?(weir|kafka)_/.test(line) && !/kafka_consumergroup_\w+_sum\b/.test(line))
        .join('\n');
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input: `${ours}\n`,
        encoding: 'utf8',
      });
      expect(stdout + stderr).toBe('');
      expect(status).toBe(0);
    },
  );
});

const noPrometheus = missingProgram('prometheus');
describe.skipIf(noPrometheus !== undefined)(
  `with a real Prometheus${noPrometheus === undefined ? '' : ` (${noPrometheus})`}`,
  () => {
    const prometheus = new PrometheusServer();
    beforeAll(async () => {
      const targets = Map.groupBy(cluster.services, ({ kind }) => `weir-${kind}`);
      await prometheus.start(new Map([...targets].map(([job, services]) => [job, services.map(({ ops }) => ops)])));
    });
    afterAll(() => prometheus.stop());

    test('every panel has data', async () => {
      let empty = panelQueries();
      const look = async (): Promise<string[]> => {
        const answers = await Promise.all(
          empty.map(async (query) => ({ query, ...(await prometheus.query(substituted(query.expr, RATE_INTERVAL))) })),
        );
        empty = answers.filter(({ series }) => series === 0).map(({ query }) => query);
        return answers
          .filter(({ series }) => series === 0)
          .map(({ query, error }) => `${query.place}: ${error ?? 'no data'} of ${query.expr}`);
      };
      expect(await problemsLeft(look)).toEqual([]);
    });

    test('no alert fires in health', async () => {
      const firing: string[] = [];
      for (const { place, expr } of alertQueries()) {
        const { error, series } = await prometheus.query(expr);
        expect(error, place).toBeUndefined();
        if (series > 0) firing.push(place);
      }
      expect(firing.filter((alert) => !OF_THE_MACHINE.includes(alert))).toEqual([]);
    });
  },
);
