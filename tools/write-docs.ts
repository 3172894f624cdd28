import { writeFileSync } from 'node:fs';
import { CHART_README, chartReadme } from './helm/values-table.ts';
import { optionsPage } from './options-page.ts';

/** `npm run docs`: writes the pages that are made from code. */
writeFileSync('docs/OPTIONS.md', optionsPage());
writeFileSync(CHART_README, chartReadme());
