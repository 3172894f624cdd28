import { setTimeout as pause } from 'node:timers/promises';
import type { Step } from '../step.ts';

const LOADED_MS = 5 * 60_000;
const LOOK_MS = 5_000;
/** Small, so that five minutes of it fit on a small volume. */
const KEPT = 'retention.bytes=16777216,segment.bytes=16777216';

/** The default limits are enough for as much as clients can send. */
export const memory: Step = {
  name: 'memory',
  title: 'five minutes of as much load as there is, within the default memory limits',
  long: true,
  async run({ release, client, report }) {
    const before = new Map(release.pods().map(({ uid, restarts }) => [uid, restarts]));
    client.createTopic('flood', 12, KEPT);
    const flood = client.flood('flood');
    const peaks = new Map<string, number>();
    const deadline = Date.now() + LOADED_MS;
    while (Date.now() < deadline) {
      await pause(LOOK_MS);
      report.progress(`${Math.round((deadline - Date.now()) / 1_000)} s of load left`);
      // There is nothing in etcd's image to look with.
      for (const { name } of ['coordinator', 'broker', 'gateway'].flatMap((each) => release.pods(each))) {
        const used = usedBytes(release.tryKubectl('exec', name, '--', 'cat', '/proc/1/status').stdout);
        peaks.set(name, Math.max(peaks.get(name) ?? 0, used));
      }
    }
    const { uploads, records, read, statuses } = await flood.finish();
    const answers = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
    report.note(`${uploads} uploads, ${records} records in, ${read} out; answers ${answers.join(', ')}`);
    for (const [name, bytes] of peaks)
      report.note(`${name}: up to ${Math.round(bytes / 1024 ** 2)} MiB that no file stands behind`);
    const ended = release.pods().filter(({ uid, restarts }) => restarts !== before.get(uid));
    report.check(
      ended.length === 0,
      'nothing was ended for its memory, or at all',
      ended.map(({ name }) => name).join(', '),
    );
    report.check(records > 0 && read > 0, 'it was a load');
  },
};

function usedBytes(status: string): number {
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
