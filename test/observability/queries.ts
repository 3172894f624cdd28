import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode, SyntaxNodeRef } from '@lezer/common';
import { variablesOf } from '../../deploy/grafana/src/dashboard.ts';
import { dashboards } from '../../deploy/grafana/src/dashboards.ts';
import { alertRules } from './rules.ts';

/** A query that somebody looks at. */
export interface Query {
  /** Where it is, as "broker / Sync latency". */
  readonly place: string;
  /** As it is written, with Grafana's variables. */
  readonly expr: string;
  /** Labels that its legend or a choice shows. */
  readonly legend: readonly string[];
}

/** Every query of every panel. */
export function panelQueries(): Query[] {
  return dashboards.flatMap(({ name, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ title, targets }) =>
        targets.map(({ expr, legend }) => ({
          place: `${name} / ${title}`,
          expr,
          legend: [...legend.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]!),
        })),
      ),
    ),
  );
}

/** What the choices at the top of every dashboard list. */
export function variableQueries(): Query[] {
  return dashboards.flatMap((spec) =>
    variablesOf(spec).map(({ name, series, values }) => ({
      place: `${spec.name} / $${name}`,
      expr: series,
      legend: [values],
    })),
  );
}

/** Every alert's query. */
export function alertQueries(): Query[] {
  return alertRules().map(({ alert, expr }) => ({ place: alert, expr, legend: [] }));
}

/** A query as Grafana sends it, with everything chosen. */
export function substituted(expr: string, rateInterval: string): string {
  return expr.replaceAll('$__rate_interval', rateInterval).replaceAll(/\$(namespace|instance|topic|group)\b/g, '.*');
}

/** Metrics and labels that a query speaks of. */
export interface Spoken {
  readonly metrics: { readonly name: string; readonly labels: readonly string[] }[];
  /** Labels that it groups by or joins on. */
  readonly grouping: readonly string[];
}

/** Takes a query apart. @throws Error where it is not PromQL */
export function analyse(expr: string): Spoken {
  const metrics: Spoken['metrics'] = [];
  const grouping: string[] = [];
  const text = (node: SyntaxNodeRef | SyntaxNode): string => expr.slice(node.from, node.to);
  parser.parse(expr).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`not PromQL at character ${node.from}: ${expr}`);
      if (node.name === 'VectorSelector') {
        const labels: string[] = [];
        node.node.cursor().iterate((inner) => {
          if (inner.name === 'LabelName') labels.push(text(inner));
        });
        metrics.push({ name: text(node.node.getChild('Identifier')!), labels });
      }
      if (node.name === 'GroupingLabels') {
        for (const label of node.node.getChildren('LabelName')) grouping.push(text(label));
      }
    },
  });
  return { metrics, grouping };
}
