import { nodeJson } from '@weir/client/namespace/node-json.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withNamespace } from '../with-client.ts';
import { atJson, PATH, statText } from './node-words.ts';

const LINE_FEED = 10;

/** `weir tree get` */
export const treeGet = defineCommand({
  summary: 'print a node',
  positionals: [PATH],
  options: {
    stat: { type: 'boolean', default: false, description: 'What is known of it, in place of its data' },
    ...clientOptions,
  },
  shorts: clientShorts,
  examples: [
    'weir tree get /controller',
    'weir tree get /consumers/billing/offsets/orders/0',
    'weir tree get /settings/limits --stat',
  ],
  async run({ positionals, options, terminal }) {
    return withNamespace(options, async (namespace) => {
      const { node, ...at } = await namespace.get(positionals[0]!);
      if (options.output === 'json') terminal.out(`${JSON.stringify({ ...atJson(at), ...nodeJson(node) })}\n`);
      else if (options.stat) terminal.out(statText(node));
      else {
        terminal.out(node.data);
        if (node.data.length > 0 && node.data.at(-1) !== LINE_FEED) terminal.out('\n');
      }
      return EXIT.ok;
    });
  },
});
