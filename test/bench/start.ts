import { performance } from 'node:perf_hooks';
import { DevCluster } from '../cluster/dev-cluster.ts';
import { print } from './measure.ts';

/** From launch to ready, and to the first acknowledged record, on an empty and on a used data directory. */
export async function benchStart(): Promise<void> {
  console.log('\nStart of the all-in-one process');
  const cluster = new DevCluster();
  try {
    // The first start of all fills Node's compile cache.
    await cluster.start();
    await cluster.stop();
    for (const what of ['again', 'again', 'again']) {
      const before = performance.now();
      await cluster.start();
      const ready = performance.now() - before;
      const response = await fetch(`${cluster.url}/v1/topics/start/records`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"n":1}',
      });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      print({
        name: what,
        result: `ready in ${ready.toFixed(0)} ms, first acknowledgement after ${(performance.now() - before).toFixed(0)} ms`,
      });
      await cluster.stop();
    }
  } finally {
    await cluster.remove();
  }
}
