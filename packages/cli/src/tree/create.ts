import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import { statJson } from '@weir/client/namespace/node-json.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import type { Terminal } from '../terminal.ts';
import { withNamespace } from '../with-client.ts';
import { dataOf, PATH } from './node-words.ts';

/** `weir tree create` */
export const treeCreate = defineCommand({
  summary: 'create a node',
  positionals: [PATH],
  options: {
    data: { type: 'string', default: '', placeholder: 'TEXT', description: 'Its data; - takes standard input' },
    sequential: {
      type: 'boolean',
      default: false,
      description: 'Put a number behind the path that no other child of the parent gets',
    },
    ephemeral: {
      type: 'boolean',
      default: false,
      description: 'It is there while this command runs: until Ctrl-C, or until its session is lost',
    },
    parents: { type: 'boolean', default: false, description: 'Create the nodes above it that are not there' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, s: 'sequential', e: 'ephemeral', p: 'parents' },
  examples: ['weir tree create /jobs/import --data ready --parents', 'weir tree create /jobs/run- --sequential'],
  async run({ positionals, options, terminal }) {
    const path = positionals[0]!;
    const data = await dataOf(options.data, terminal);
    return withNamespace(options, async (namespace) => {
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (options.parents && parent !== '') await namespace.createPath(parent);
      const session = options.ephemeral ? await namespace.openSession() : undefined;
      const { sequential } = options;
      const node = await namespace.create(path, data, { sequential, ...(session === undefined ? {} : { session }) });
      if (options.output === 'json') terminal.out(`${JSON.stringify(statJson(node))}\n`);
      else terminal.out(`${node.path} created at revision ${node.createRevision}\n`);
      if (session !== undefined) await untilOver(session, terminal);
      return EXIT.ok;
    });
  },
});

/** @throws Error (as a rejection) when the session is lost before somebody interrupts */
function untilOver({ signal }: NamespaceSession, terminal: Terminal): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', lost, { once: true });
    if (signal.aborted) lost();
    terminal.onInterrupt(() => {
      signal.removeEventListener('abort', lost);
      resolve();
    });
  });
}
