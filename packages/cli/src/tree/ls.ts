import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withNamespace } from '../with-client.ts';
import { atJson, PATH } from './node-words.ts';

/** `weir tree ls` */
export const treeLs = defineCommand({
  summary: "list a node's children",
  positionals: [PATH],
  options: clientOptions,
  shorts: clientShorts,
  examples: ['weir tree ls /', 'weir tree ls /brokers/ids', 'weir tree ls /consumers'],
  async run({ positionals, options, terminal }) {
    return withNamespace(options, async (namespace) => {
      const { names, ...at } = await namespace.children(positionals[0]!);
      if (options.output === 'json') terminal.out(`${JSON.stringify({ ...atJson(at), names })}\n`);
      else for (const name of names) terminal.out(`${name}\n`);
      return EXIT.ok;
    });
  },
});
