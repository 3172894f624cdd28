import type { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted } from '../table.ts';
import { withNamespace } from '../with-client.ts';
import { PATH, VERSION_OPTION } from './node-words.ts';

/** `weir tree rm` */
export const treeRm = defineCommand({
  summary: 'delete a node',
  positionals: [PATH],
  options: {
    recursive: { type: 'boolean', default: false, description: 'And all below it, one by one: not at one revision' },
    version: VERSION_OPTION,
    ...clientOptions,
  },
  shorts: { ...clientShorts, r: 'recursive' },
  examples: ['weir tree rm /jobs/import', 'weir tree rm /jobs -r'],
  async run({ positionals, options, terminal }) {
    const path = positionals[0]!;
    const { recursive, version } = options;
    if (recursive && version !== undefined) throw new UsageError('--version is of one node, and --recursive of many');
    return withNamespace(options, async (namespace) => {
      let deleted = 1;
      if (recursive) deleted = await removeAll(namespace, path);
      else await namespace.delete(path, version === undefined ? {} : { version });
      if (options.output === 'json') terminal.out(`${JSON.stringify({ path, deleted })}\n`);
      else terminal.out(`${counted(deleted, 'node')} deleted\n`);
      return EXIT.ok;
    });
  },
});

async function removeAll(namespace: NamespaceClient, path: string): Promise<number> {
  let deleted = 1;
  for (const name of (await namespace.children(path)).names) deleted += await removeAll(namespace, `${path}/${name}`);
  await namespace.delete(path);
  return deleted;
}
