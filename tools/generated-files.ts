import { dashboardFiles } from '../deploy/grafana/src/dashboards.ts';
import { CHART_README, chartReadme } from './helm/values-table.ts';
import { metricsPage } from './metrics-page.ts';
import { optionsPage } from './options-page.ts';

/** Files of the tree that are made from code: `npm run docs` writes them, `npm run check` compares. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'docs/OPTIONS.md': optionsPage,
  'docs/METRICS.md': metricsPage,
  [CHART_README]: chartReadme,
  // Twice the same: a chart has only what is in its folder.
  ...filesIn('deploy/grafana/dashboards', dashboardFiles()),
  ...filesIn('deploy/helm/weir/files/dashboards', dashboardFiles()),
};

function filesIn(folder: string, files: ReadonlyMap<string, string>): Record<string, () => string> {
  return Object.fromEntries([...files].map(([name, contents]) => [`${folder}/${name}`, () => contents]));
}
