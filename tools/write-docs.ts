import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { generatedFiles } from './generated-files.ts';

/** `npm run docs`: writes the files that are made from code. */
for (const [path, contents] of Object.entries(generatedFiles)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents());
}
