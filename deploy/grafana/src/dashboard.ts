import type { Panel, Row } from './panel.ts';

/** A dashboard, before it is Grafana's JSON. */
export interface DashboardSpec {
  /** Name of its file, without `.json`; its uid is `weir-` and this. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** A metric that all instances of this dashboard have: it lists them. */
  readonly instancesOf: string;
  readonly variables?: readonly Variable[];
  readonly rows: readonly Row[];
}

/** A choice at the top of a dashboard: the values that a label has in some series. */
interface Variable {
  readonly name: string;
  readonly label: string;
  readonly series: string;
  /** That label. */
  readonly values: string;
}

const COLUMNS = 24;
const GRAPH = { width: 8, height: 8 };
const STAT = { width: 4, height: 4 };
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** The choices of a dashboard, in the order in which one makes them. */
export function variablesOf({ instancesOf, variables = [] }: DashboardSpec): readonly Variable[] {
  const instances = `${instancesOf}{namespace=~"$namespace"}`;
  return [
    { name: 'namespace', label: 'Namespace', series: 'weir_build_info', values: 'namespace' },
    { name: 'instance', label: 'Instance', series: instances, values: 'instance' },
    ...variables,
  ];
}

/** The dashboard as Grafana imports it. `all`: those that it links to. */
export function dashboardJson(spec: DashboardSpec, all: readonly DashboardSpec[]): object {
  return {
    uid: uidOf(spec),
    title: spec.title,
    description: spec.description,
    tags: ['weir'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    links: all.filter((other) => other !== spec).map(linkTo),
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', hide: 0 },
        ...variablesOf(spec).map(variableJson),
      ],
    },
    annotations: { list: [] },
    panels: layOut(spec.rows),
  };
}

function uidOf({ name }: DashboardSpec): string {
  return `weir-${name}`;
}

/** Takes the cluster along, and not the instance: what is chosen among brokers is nothing among gateways. */
function linkTo(dashboard: DashboardSpec): object {
  return {
    title: dashboard.title,
    tooltip: dashboard.description,
    type: 'link',
    url: `/d/${uidOf(dashboard)}?\${datasource:queryparam}&\${namespace:queryparam}`,
    icon: 'dashboard',
    tags: [],
    asDropdown: false,
    includeVars: false,
    keepTime: true,
    targetBlank: false,
  };
}

/** Several values may be chosen; all of them is `.*`, which also fits targets without the label. */
function variableJson({ name, label, series, values }: Variable): object {
  const query = `label_values(${series}, ${values})`;
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

/** Panels from left to right, a new line where one does not fit any more. */
function layOut(rows: readonly Row[]): object[] {
  const out: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    out.push({
      id: out.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y++;
    let x = 0;
    let lineHeight = 0;
    for (const panel of panels) {
      const { width, height } = panel.kind === 'stat' ? STAT : GRAPH;
      const w = panel.width ?? width;
      if (x + w > COLUMNS) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      out.push(panelJson(panel, { id: out.length + 1, gridPos: { x, y, w, h: height } }));
      x += w;
      lineHeight = Math.max(lineHeight, height);
    }
    y += lineHeight;
  }
  return out;
}

function panelJson(panel: Panel, place: { readonly id: number; readonly gridPos: object }): object {
  const { kind, title, description, unit, targets, thresholds } = panel;
  const steps = thresholds ?? [{ value: null, color: kind === 'stat' ? 'blue' : 'green' }];
  return {
    ...place,
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    targets: targets.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      range: kind === 'timeseries',
      instant: kind === 'stat',
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: unit === 'dateTimeFromNow' ? undefined : 0,
        color: { mode: kind === 'stat' ? 'thresholds' : 'palette-classic' },
        thresholds: { mode: 'absolute', steps },
        custom:
          kind === 'stat'
            ? undefined
            : {
                lineWidth: 1,
                fillOpacity: 10,
                showPoints: 'never',
                spanNulls: false,
                thresholdsStyle: { mode: thresholds === undefined ? 'off' : 'line' },
              },
      },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? {
            colorMode: 'value',
            graphMode: 'none',
            textMode: 'auto',
            reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
          }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  };
}
