import { SYNC_STALLED_MS } from '@weir/base/limits.ts';
import { onCluster } from '../cluster/trial.ts';

/** What a broker may need to notice, others to be elected, and clients to hear of it. */
const STALL_MS = 4 * SYNC_STALLED_MS;
const ENDED_WITHIN_MS = 15_000;

/** A disk that hangs, under a process that is alive. */
export const diskStall = onCluster({
  name: 'disk-stall',
  title: `15: syncs of a leader take ${STALL_MS / 1_000} s, while its heartbeats go on`,
  topology: { diskFaults: true },
  async inject(trial) {
    const { report } = trial;
    const leader = await trial.leaderOf(0);
    const led = trial.observer.partitions.filter((partition) => partition.leader === leader.id);
    trial.injected(`every sync of ${leader.name}, which leads ${led.length} partitions, takes ${STALL_MS / 1_000} s`);
    leader.faults!.set({ call: 'sync', waitMs: STALL_MS, part: leader.dataDirectory });
    await trial.until('it leads nothing', () => trial.ledBy(leader) === 0, STALL_MS);
    trial.injected('others lead');
    report.check(leader.isRunning, 'it is still there');
    await trial.untilProgress();
    trial.injected('records are acknowledged on all partitions');
    report.check(leader.faults!.hits > 0, 'syncs did hang', `${leader.faults!.hits}`);
    leader.faults!.clear();
    trial.injected('syncs are quick again');
  },
});

/** One sync fails, and what it should have covered may be gone, whatever the next one says (fsyncgate). */
export const syncErrorOnce = onCluster({
  name: 'sync-error-once',
  title: '16: one sync of a leader fails with EIO, three times',
  topology: { diskFaults: true },
  async inject(trial) {
    for (let i = 0; i < 3; i++) {
      const leader = await trial.leaderOf(i);
      // It may be one that has said so before.
      const timesSaid = (): number => trial.cluster.count([leader], /syncing .* failed/);
      const before = timesSaid();
      trial.injected(`the next sync of ${leader.name} fails`);
      leader.faults!.set({ call: 'sync', error: 'EIO', times: 1, part: leader.dataDirectory });
      await trial.until(`${leader.name} has ended`, () => !leader.isRunning, ENDED_WITHIN_MS);
      const { code } = await leader.ending;
      trial.report.check(code !== 0, `${leader.name} ends by itself`, `code ${code}`);
      trial.report.check(timesSaid() > before, 'and says which sync has failed');
      await trial.untilProgress();
      await leader.start();
      trial.injected(`${leader.name} is back`);
      await trial.untilInSync();
    }
  },
});
