import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DevCluster } from '../../test/cluster/dev-cluster.ts';
import { CHART } from './chart.ts';

/** What `helm test` runs, on processes of this machine instead of pods. */
const cluster = new DevCluster('--brokers', '2');
let programs: string;

beforeAll(async () => {
  await cluster.start();
  programs = mkdtempSync(join(tmpdir(), 'weir-programs-'));
  const weir = join(programs, 'weir');
  writeFileSync(weir, `#!/bin/sh\nexec '${process.execPath}' '${resolve('packages/cli/src/main.ts')}' "$@"\n`);
  chmodSync(weir, 0o755);
});
afterAll(async () => {
  await cluster.remove();
  rmSync(programs, { recursive: true });
});

function helmTest(kafka: string): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${CHART}/scripts/produce-consume.ts`], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${programs}:${process.env['PATH']}`,
      WEIR_COORDINATORS: cluster.service('coordinator').grpc,
      WEIR_TEST_GATEWAY: cluster.url,
      WEIR_TEST_KAFKA: kafka,
    },
  });
  return { status, output: stdout + stderr };
}

/** Where a broker was told to listen for Kafka clients. */
function kafkaOf(args: readonly string[]): string {
  return args[args.indexOf('--kafka-listen') + 1]!;
}

test('what helm test runs is content with a release that works', () => {
  const { status, output } = helmTest(kafkaOf(cluster.service('broker').args));
  expect([status, output]).toEqual([0, expect.stringMatching(/asking the leaders[^]*all is well\n$/)]);
});

test('and names an address at which nobody speaks the protocol of Kafka', () => {
  const ops = cluster.service('broker').ops;
  const { status, output } = helmTest(ops);
  expect([status, output]).toEqual([1, expect.stringContaining(`${ops} does not answer over Kafka's protocol`)]);
});
