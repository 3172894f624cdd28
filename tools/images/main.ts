import { parseArgs } from 'node:util';
import { messageOf } from '../../packages/base/src/errors.ts';
import { buildImage } from './build.ts';
import { IMAGE, REGISTRY_BASE } from './image.ts';
import { localBase } from './local-base.ts';

/** `npm run images`: builds the image that the chart's default values name. */

const USAGE = `Usage: npm run images [-- options]

Builds the one image of all services into the local Docker engine.

  --tag NAME:TAG   what it is called (default ${IMAGE}, which the chart's default values name)
  --base IMAGE     what it is built on: any image with Node 24 (default ${REGISTRY_BASE}; where that can
                   neither be found nor pulled, a base is made here as with --local-base)
  --local-base     make the base here from Debian's packages and the lockfile's Node (Linux, root, debootstrap)
`;

const say = (line: string): void => console.error(`images: ${line}`);

try {
  const { values } = parseArgs({
    options: {
      tag: { type: 'string', default: IMAGE },
      base: { type: 'string' },
      'local-base': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) process.stdout.write(USAGE);
  else {
    const startedMs = performance.now();
    const built = buildImage({ tag: values.tag, base: values['local-base'] ? localBase(say) : values.base, say });
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    say(`${built.tag}: ${Math.round(built.bytes / 1e6)} MB on ${built.base}, in ${seconds} s`);
  }
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
