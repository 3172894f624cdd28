import { eventJson } from '@weir/client/namespace/node-json.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { withNamespace } from '../with-client.ts';
import { dataWords, PATH } from './node-words.ts';

/** `weir tree watch` */
export const treeWatch = defineCommand({
  summary: 'print what happens to nodes, as it happens',
  positionals: [PATH],
  options: {
    kind: {
      type: 'choice',
      choices: ['data', 'children', 'recursive'],
      default: 'recursive',
      description: 'The node alone; that its children come and go; or all of it and below it',
    },
    from: {
      type: 'integer',
      optional: true,
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      placeholder: 'REVISION',
      description: 'Begin with the changes of this revision; without it, with what comes from now on',
    },
    count: { type: 'integer', optional: true, min: 1, max: Number.MAX_SAFE_INTEGER, description: 'Stop after so many' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, n: 'count' },
  notes: [
    'It runs until Ctrl-C. A change that is told from --from on may be too old to be kept: then it ends with 1.',
    'Of / it prints what happens to the nodes of users; of the cluster ask for /brokers, /config, /gateways.',
  ],
  examples: ['weir tree watch /jobs', 'weir tree watch /brokers/ids --kind children -o json'],
  async run({ positionals, options, terminal }) {
    return withNamespace(options, async (namespace) => {
      const { kind, from, count = Number.POSITIVE_INFINITY } = options;
      // So that a wrong path or a coordinator that is away is told at once.
      await namespace.exists(positionals[0]!);
      let printed = 0;
      const print = (revision: number, event: TreeEvent): void => {
        if (printed++ >= count) return;
        if (options.output === 'json')
          terminal.out(`${JSON.stringify(eventJson(revision, event, { withData: true }))}\n`);
        else terminal.out(`${revision} ${event.kind} ${event.path}${dataAfter(event)}\n`);
      };
      await new Promise<void>((resolve, reject) => {
        terminal.onInterrupt(resolve);
        terminal.onReaderGone(resolve);
        namespace.watch(
          { path: positionals[0]!, kind, ...(from === undefined ? {} : { from }) },
          {
            started: (revision) => terminal.err(`watching from revision ${from ?? revision + 1}\n`),
            events(revision, events) {
              for (const event of events) print(revision, event);
              if (printed >= count) resolve();
            },
            ended: ({ code, message }) => reject(new Error(`${message} (${code})`)),
          },
        );
      });
      return EXIT.ok;
    });
  },
});

function dataAfter(event: TreeEvent): string {
  return event.kind === 'deleted' ? '' : ` ${dataWords(event.node.data)}`;
}
