import { writeFileSync } from 'node:fs';
import { optionsPage } from './options-page.ts';

/** `npm run docs`: writes the pages that are made from code. */
writeFileSync('docs/OPTIONS.md', optionsPage());
