import { statJson } from '@weir/client/namespace/node-json.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withNamespace } from '../with-client.ts';
import { dataOf, PATH, VERSION_OPTION } from './node-words.ts';

/** `weir tree set` */
export const treeSet = defineCommand({
  summary: "replace a node's data",
  positionals: [PATH, { name: 'DATA', description: 'its data; - takes standard input' }],
  options: { version: VERSION_OPTION, ...clientOptions },
  shorts: clientShorts,
  examples: ['weir tree set /settings/limits 100 --version 3'],
  async run({ positionals, options, terminal }) {
    const [path, word] = positionals;
    const data = await dataOf(word!, terminal);
    return withNamespace(options, async (namespace) => {
      const { version } = options;
      const node = await namespace.set(path!, data, version === undefined ? {} : { version });
      if (options.output === 'json') terminal.out(`${JSON.stringify(statJson(node))}\n`);
      else terminal.out(`${node.path} has version ${node.version} at revision ${node.modRevision}\n`);
      return EXIT.ok;
    });
  },
});
