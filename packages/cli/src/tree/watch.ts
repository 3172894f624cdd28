import { eventJson } from '@weir/client/namespace/node-json.ts';
import { revisionJson, revisionOf, revisionText } from '@weir/client/namespace/revision-text.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import type { LogEvents } from '@weir/client/namespace/watch-link.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
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
      type: 'string',
      optional: true,
      placeholder: 'REVISION',
      description:
        'Begin with the changes of this revision (of a group: EPOCH-REVISION); without it, with what comes from now on',
    },
    count: { type: 'integer', optional: true, min: 1, max: Number.MAX_SAFE_INTEGER, description: 'Stop after so many' },
    ...clientOptions,
  },
  shorts: { ...clientShorts, n: 'count' },
  notes: [
    'It runs until Ctrl-C. A change that is told from --from on may be too old to be kept: then it ends with 1.',
    'Of / it prints what happens to the nodes of users; of the cluster ask for /brokers, /config, /gateways, /consumers.',
    'Where the log of a group does not have any more what happened, a line "reset" is followed by all that there is.',
  ],
  examples: ['weir tree watch /jobs', 'weir tree watch /brokers/ids --kind children -o json'],
  async run({ positionals, options, terminal }) {
    return withNamespace(options, async (namespace) => {
      const { kind, count = Number.POSITIVE_INFINITY } = options;
      const from = options.from === undefined ? undefined : beginningOf(options.from);
      // So that a wrong path or a coordinator that is away is told at once.
      await namespace.exists(positionals[0]!);
      let printed = 0;
      const path = positionals[0]!;
      const print = (revision: number, event: TreeEvent, log: LogEvents | undefined): void => {
        if (printed++ >= count) return;
        if (options.output === 'json')
          terminal.out(`${JSON.stringify(eventJson(revision, event, { withData: true, log }))}\n`);
        else terminal.out(`${revisionText(revision, log)} ${event.kind} ${event.path}${dataAfter(event)}\n`);
      };
      const printReset = (revision: number, log: LogEvents): void => {
        if (options.output === 'json')
          terminal.out(`${JSON.stringify({ ...revisionJson(revision, log), kind: 'reset', path })}\n`);
        else terminal.out(`${revisionText(revision, log)} reset ${path}\n`);
      };
      await new Promise<void>((resolve, reject) => {
        terminal.onInterrupt(resolve);
        terminal.onReaderGone(resolve);
        namespace.watch(
          { path, kind, ...(from === undefined ? {} : { from: from.revision, ...from.options }) },
          {
            started: (revision, log) =>
              terminal.err(`watching from revision ${options.from ?? revisionText(revision + 1, log)}\n`),
            events(revision, events, log) {
              if (log?.reset === true) printReset(revision, log);
              for (const event of events) print(revision, event, log);
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

/** @throws UsageError */
function beginningOf(word: string): NonNullable<ReturnType<typeof revisionOf>> {
  const found = revisionOf(word);
  if (found !== undefined && found.revision >= 1) return found;
  throw new UsageError(
    `--from is a revision from 1 on, as 17, or of a group with its leader epoch, as 3-17; not "${word}"`,
  );
}

function dataAfter(event: TreeEvent): string {
  return event.kind === 'deleted' ? '' : ` ${dataWords(event.node.data)}`;
}
