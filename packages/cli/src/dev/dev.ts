import { resolve as absolute } from 'node:path';
import type { OptionSpecs, OptionValues } from '@weir/base/options.ts';
import { machineClock } from '@weir/runtime/machine.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { banner } from './banner.ts';
import { removeClusterFile, writeClusterFile } from './cluster-file.node.ts';
import { compose } from './compose.ts';
import { devOptions, passedOn, prefixedOptions } from './dev-options.ts';
import type { Launcher } from './launcher.ts';
import { loadServiceKind } from './service-kinds.ts';

const allOptions: OptionSpecs = { ...devOptions, ...prefixedOptions };

/** `weir dev` */
export const devCommand = defineCommand({
  summary: 'run all of Weir in one process, for development',
  positionals: [],
  options: allOptions,
  helpOptions: devOptions,
  environmentPrefix: 'WEIR_DEV_',
  notes: [
    'Every option is also WEIR_DEV_NAME in the environment, and may stand in a YAML file named by --config.',
    "A service's option is passed on with the service's name in front, as --broker.flush interval or",
    '--gateway.http-listen 127.0.0.1:9000 (addresses, ids and directories go to the first of its kind).',
    'See weir coordinator --help, weir broker --help and weir gateway --help.',
  ],
  examples: ['weir dev', 'weir dev --brokers 3 --data-dir /tmp/weir', 'weir dev --separate --ports auto'],
  async run({ options: all, terminal }) {
    const options = all as OptionValues<typeof devOptions>;
    if (options.coordinators > 1 && options.store?.startsWith('etcd:') !== true) {
      throw new UsageError('--coordinators: several need a store that they can share: --store etcd:http://HOST:PORT,…');
    }
    const startMs = machineClock.monotonicMs();
    const stopped = new Promise<'stopped'>((resolve) => terminal.onInterrupt(() => resolve('stopped')));
    const dataDirectory = absolute(options['data-dir']);
    const launcher = await loadLauncher(options.separate, (line) => terminal.err(line));
    const composing = compose(
      { coordinator: options.coordinators, broker: options.brokers, gateway: options.gateways },
      {
        dataDirectory,
        store: options.store,
        ports: options.ports,
        logLevel: options['log-level'],
        brokers: options.brokers,
        given: passedOn(all),
      },
      {
        launcher,
        clock: machineClock,
        note: (line) => terminal.err(line),
        storeOwned: () => removeClusterFile(dataDirectory),
      },
    );
    const composition = await Promise.race([composing, stopped]);
    // Stopped before it was ready: nothing was promised yet, and what is stored is safe at any moment.
    if (composition === 'stopped') return EXIT.ok;
    try {
      writeClusterFile(dataDirectory, composition.services);
      const seconds = (machineClock.monotonicMs() - startMs) / 1000;
      terminal.out(banner(composition.services, { dataDirectory: options['data-dir'], seconds }, terminal));
      await stopped;
      terminal.err('stopping\n');
    } finally {
      removeClusterFile(dataDirectory);
      await composition.stop();
      await launcher.close();
    }
    return EXIT.ok;
  },
});

async function loadLauncher(separate: boolean, report: (line: string) => void): Promise<Launcher> {
  if (separate) return (await import('./separate.node.ts')).separateLauncher(report);
  // All code is loaded at once, while the coordinator starts first.
  void Promise.all((['coordinator', 'broker', 'gateway'] as const).map(loadServiceKind)).catch(() => undefined);
  return (await import('./in-process.node.ts')).inProcessLauncher();
}
