import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** The alerts that the chart ships. */
export const ALERTS_FILE = fileURLToPath(new URL('../../deploy/helm/weir/files/alerts.yaml', import.meta.url));

/** One alert, as the rules have it. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

/** All alerts of the rules file. */
export function alertRules(): AlertRule[] {
  const { groups } = parse(readFileSync(ALERTS_FILE, 'utf8')) as { groups: { rules: AlertRule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** Why a test that needs one of Prometheus' programs cannot run here; undefined when it can. */
export function missingProgram(program: 'prometheus' | 'promtool'): string | undefined {
  if (spawnSync(program, ['--version']).status === 0) return undefined;
  return `${program} is not installed (on Debian: apt-get install prometheus)`;
}
