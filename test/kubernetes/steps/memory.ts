import { setTimeout as pause } from 'node:timers/promises';
import { spoken } from './disruptions.ts';
import type { Step } from '../step.ts';

const LOADED_MS = 5 * 60_000;
const LOOK_MS = 10_000;

/** The default limits are enough for as much as clients can send. */
export const memory: Step = {
  name: 'memory',
  title: 'five minutes of as much load as there is, within the default memory limits',
  long: true,
  async run({ release, client, report }) {
    const before = new Map(release.pods().map(({ uid, restarts }) => [uid, restarts]));
    const load = client.load(48);
    const peaks = new Map<string, number>();
    const deadline = Date.now() + LOADED_MS;
    while (Date.now() < deadline) {
      await pause(LOOK_MS);
      report.progress(`${Math.round((deadline - Date.now()) / 1_000)} s of load left`);
      for (const { name } of release.pods()) {
        const bytes = residentBytes(release.tryKubectl('exec', name, '--', 'cat', '/proc/1/status').stdout);
        peaks.set(name, Math.max(peaks.get(name) ?? 0, bytes));
      }
    }
    report.note(spoken(await load.finish()));
    for (const [name, bytes] of peaks) report.note(`${name}: up to ${Math.round(bytes / 1024 ** 2)} MiB resident`);
    const ended = release.pods().filter(({ uid, restarts }) => restarts !== before.get(uid));
    report.check(
      ended.length === 0,
      'nothing was ended for its memory, or at all',
      ended.map(({ name }) => name).join(', '),
    );
    report.verdict(client.judge(), 'after five minutes');
  },
};

function residentBytes(status: string): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
