import { expect, test } from 'vitest';
import { leaderEpoch, offset } from '@weir/base/ids.ts';
import type { Log } from '@weir/log/log.ts';
import { InSyncReplicas } from '../replication/in-sync-replicas.ts';
import { Leadership } from './leadership.ts';

test('who waits for a deletion is told, also when a follower that begins anew has told the same start before', () => {
  const isr = [1, 2].map((broker) => ({ broker, epoch: 100 + broker }));
  const replicas = new InSyncReplicas(
    { me: 1, epochStart: offset(10), nowMs: 0 },
    { partitionEpoch: 1, replicas: [1, 2], isr, minInSync: 1 },
  );
  const log = { startOffset: offset(4), endOffset: offset(10) } as Log;
  const leadership = new Leadership(log, leaderEpoch(0), replicas, undefined);
  const now = { ms: 0, logEnd: offset(10) };
  for (const subscription of [1n, 2n]) {
    const stream = {};
    const told: string[] = [];
    replicas.begins(isr[1]!, subscription, stream, offset(10), now);
    leadership.whenDeleted(offset(4), (why) => told.push(why?.code ?? 'deleted'));
    replicas.moved(2, stream, { logStart: offset(4), durableEnd: offset(10) }, now);
    leadership.release({ durableEnd: offset(10), highWatermark: offset(10), logStart: offset(4) });
    expect(told).toEqual(['deleted']);
  }
});
