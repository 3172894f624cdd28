import { VERSION } from '../../packages/runtime/src/run-service.ts';

/** What `npm run images` makes when nobody says otherwise, and what the chart's default values render. */
export const IMAGE = `weir:${VERSION}`;

/** The label that tells from which tree an image was made: see `treeHash`. */
export const TREE_LABEL = 'dev.weir.tree';

/** The base that the Dockerfile names. */
export const REGISTRY_BASE = 'node:24-slim';
