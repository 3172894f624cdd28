import { broker } from './broker.ts';
import { dashboardJson } from './dashboard.ts';
import type { DashboardSpec } from './dashboard.ts';
import { coordinator } from './coordinator.ts';
import { gateway } from './gateway.ts';
import { groups } from './groups.ts';
import { node } from './node.ts';
import { overview } from './overview.ts';
import { replication } from './replication.ts';
import { topics } from './topics.ts';

/** All of them, in the order in which one looks. */
export const dashboards: readonly DashboardSpec[] = [
  overview,
  topics,
  groups,
  broker,
  replication,
  gateway,
  coordinator,
  node,
];

/** Files of dashboards by their names, as Grafana imports them. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    dashboards.map((spec) => [`${spec.name}.json`, `${JSON.stringify(dashboardJson(spec, dashboards), null, 2)}\n`]),
  );
}
