import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { CHART } from '../../tools/helm/chart.ts';
import { findHelm } from '../../tools/helm/helm.ts';
import { render } from '../../tools/helm/render.ts';
import { alertQueries, analyse } from '../observability/queries.ts';
import { freePorts } from '../harness/free-ports.ts';
import { etcdProgram, unlessSkipped } from './program.ts';

const START_MS_MAX = 30_000;

/** etcd takes its file without a word about names that it does not know: what it makes of the chart's has to be looked at. */
describe.skipIf(etcdProgram === undefined || findHelm() === undefined)(
  `etcd with the chart's file${unlessSkipped}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-etcd-chart-'));
    const member = { client: '', ops: '', stop: async (): Promise<void> => undefined };

    beforeAll(async () => {
      const [client, peer, ops] = await freePorts(3);
      const { data } = render('--values', `${CHART}/ci/etcd-single-values.yaml`).find(
        ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'weir-etcd',
      ) as unknown as { data: Record<string, string> };
      const text = data['weir-etcd-0.yaml']!.replaceAll(
        /(weir-etcd-0\.weir-etcd\.streams\.svc\.cluster\.local|0\.0\.0\.0)/g,
        '127.0.0.1',
      )
        .replaceAll(':2379', `:${client}`)
        .replaceAll(':2380', `:${peer}`)
        .replaceAll(':2381', `:${ops}`);
      const file = join(directory, 'etcd.yaml');
      writeFileSync(file, stringify({ ...(parse(text) as object), 'data-dir': join(directory, 'data') }));
      const child = spawn(etcdProgram!, ['--config-file', file], { stdio: 'ignore' });
      const exit = once(child, 'exit');
      member.client = `http://127.0.0.1:${client}`;
      member.ops = `http://127.0.0.1:${ops}`;
      member.stop = async () => {
        child.kill('SIGTERM');
        await exit;
      };
      const untilMs = performance.now() + START_MS_MAX;
      while ((await statusOf('/readyz')) !== 200) {
        if (performance.now() > untilMs) throw new Error(`etcd is not ready after ${START_MS_MAX} ms`);
        await sleep(100);
      }
    });
    afterAll(async () => {
      await member.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    async function statusOf(path: string): Promise<number | undefined> {
      try {
        return (await fetch(`${member.ops}${path}`)).status;
      } catch {
        return undefined;
      }
    }

    test('answers its probes where the chart asks them', async () => {
      expect(await statusOf('/livez')).toBe(200);
    });

    test('has its name, its quota and its other settings from it', async () => {
      const response = await fetch(`${member.client}/v3/cluster/member/list`, { method: 'POST', body: '{}' });
      const { members } = (await response.json()) as { members: { name: string; clientURLs: string[] }[] };
      expect(members).toEqual([expect.objectContaining({ name: 'weir-etcd-0', clientURLs: [member.client] })]);
      const metrics = await (await fetch(`${member.ops}/metrics`)).text();
      expect(metrics).toContain(
        `etcd_server_quota_backend_bytes ${(256 * 1024 ** 2).toExponential().replace('e+', 'e+0')}`,
      );
    });

    test('exports what the alerts ask for', async () => {
      const metrics = await (await fetch(`${member.ops}/metrics`)).text();
      const asked = alertQueries().flatMap(({ expr }) => analyse(expr).metrics.map(({ name }) => name));
      const ofEtcd = asked.filter((name) => name.startsWith('etcd_'));
      expect(ofEtcd.length).toBeGreaterThan(1);
      for (const name of ofEtcd) expect(metrics).toMatch(new RegExp(`^${name}[ {]`, 'm'));
      // A member counts itself among those that it knows: WeirEtcdMemberDown subtracts those that are there.
      expect(metrics.match(/^etcd_network_known_peers\{.* 1$/gm)).toHaveLength(1);
    });
  },
);
