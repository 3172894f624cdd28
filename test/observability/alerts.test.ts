import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { alertCases } from './alert-cases.ts';
import type { AlertCase, Series } from './alert-cases.ts';
import { alertRules, ALERTS_FILE, missingProgram } from './rules.ts';

const directory = mkdtempSync(join(tmpdir(), 'weir-alerts-'));
afterAll(() => rmSync(directory, { recursive: true }));

const missing = missingProgram('promtool');

test('every alert has a case that fires and one that does not', () => {
  expect([...new Set(alertCases.map(({ alert }) => alert))].toSorted()).toEqual(
    alertRules()
      .map(({ alert }) => alert)
      .toSorted(),
  );
});

test('every alert says what it means, and where what to do about it is written', () => {
  const operations = readFileSync('docs/OPERATIONS.md', 'utf8');
  for (const { alert, labels, annotations } of alertRules()) {
    expect(['warning', 'critical']).toContain(labels.severity);
    expect(annotations.runbook).toBe(`docs/OPERATIONS.md#${alert.toLowerCase()}`);
    expect(operations).toContain(`### ${alert}\n`);
    expect(annotations.description.length).toBeGreaterThan(annotations.summary.length);
  }
});

describe.skipIf(missing !== undefined)(`by promtool${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('the rules are valid', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', ALERTS_FILE], { encoding: 'utf8' });
    expect(stdout + stderr).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  test.each(alertCases.map((alertCase) => [alertCase.alert, alertCase] as const))(
    '%s',
    (alert, { at, firing, quiet }) => {
      const file = join(directory, `${alert}.yaml`);
      const tests = [
        promtoolTest(firing, { alert, at, fires: true }),
        promtoolTest(quiet, { alert, at, fires: false }),
      ];
      writeFileSync(file, stringify({ rule_files: [ALERTS_FILE], evaluation_interval: '30s', tests }));
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
      expect(stdout + stderr).toContain('SUCCESS');
      expect(status).toBe(0);
    },
  );
});

/** Whether it is among the alerts that fire at that time, whatever it says. */
function promtoolTest(
  series: readonly Series[],
  { alert, at, fires }: Pick<AlertCase, 'alert' | 'at'> & { readonly fires: boolean },
): object {
  return {
    name: fires ? 'fires' : 'is quiet',
    interval: '1m',
    input_series: series,
    promql_expr_test: [
      {
        expr: `count by (alertname) (ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: at,
        exp_samples: fires ? [{ labels: `{alertname="${alert}"}`, value: 1 }] : [],
      },
    ],
  };
}
