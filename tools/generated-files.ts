import { CHART_README, chartReadme } from './helm/values-table.ts';
import { metricsPage } from './metrics-page.ts';
import { optionsPage } from './options-page.ts';

/** Files of the tree that are made from code: `npm run docs` writes them, `npm run check` compares. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'docs/OPTIONS.md': optionsPage,
  'docs/METRICS.md': metricsPage,
  [CHART_README]: chartReadme,
};
