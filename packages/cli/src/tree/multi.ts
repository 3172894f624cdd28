import { statJson } from '@weir/client/namespace/node-json.ts';
import { operationsFromJson } from '@weir/client/namespace/operations-json.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { withNamespace } from '../with-client.ts';
import { dataOf } from './node-words.ts';

/** `weir tree multi` */
export const treeMulti = defineCommand({
  summary: 'do several operations, all or none',
  positionals: [{ name: 'OPERATIONS', description: 'a JSON array of them; - takes standard input' }],
  options: clientOptions,
  shorts: clientShorts,
  notes: [
    'An operation is {"kind": "create"|"set"|"delete"|"check", "path", …}: create and set have "data" (and "encoding",',
    'text or base64), create has "sequential", the others may have the "version" that the node has to have.',
  ],
  examples: [
    `weir tree multi '[{"kind":"check","path":"/a","version":3},{"kind":"set","path":"/b","data":"new"}]'`,
    'weir tree multi - < operations.json',
  ],
  async run({ positionals, options, terminal }) {
    const text = Buffer.from(await dataOf(positionals[0]!, terminal)).toString();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new UsageError(`OPERATIONS is not JSON: ${(error as Error).message}`);
    }
    const found = operationsFromJson(value);
    if ('problems' in found) throw new UsageError(found.problems.join('; '));
    return withNamespace(options, async (namespace) => {
      const { revision, written } = await namespace.multi(found.operations);
      const nodes = written.map(({ path, node }) => (node === undefined ? { path, deleted: true } : statJson(node)));
      if (options.output === 'json') terminal.out(`${JSON.stringify({ revision, nodes })}\n`);
      else terminal.out(`${written.length} operations done at revision ${revision}\n`);
      return EXIT.ok;
    });
  },
});
