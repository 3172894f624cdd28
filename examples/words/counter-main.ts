import { messageOf } from '@weir/base/errors.ts';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { Counter } from './counter.ts';
import type { CounterSettings, CounterTally } from './counter-process.ts';

/** One counter, as a process that is told what to do by its first word and ends when its parent says so, or is gone. */
const { name, coordinators, topics, crashAfter } = JSON.parse(process.argv[2]!) as CounterSettings;
const READY_MS_MAX = 5_000;

const client = new Client({ coordinators, name }, clientWorld);
await client.ready(READY_MS_MAX);
const counter = new Counter(client, {
  instanceId: name,
  topics,
  published() {
    // Where a crash does most harm: the counts are out, and the words will come again.
    if (crashAfter !== undefined && counter.words >= crashAfter) process.kill(process.pid, 'SIGKILL');
  },
});

let stopping = false;
const stop = async (): Promise<void> => {
  if (stopping) return;
  stopping = true;
  await counter.stop();
  await client.close();
  const tally: CounterTally = { words: counter.words, recognised: counter.recognised };
  if (process.connected) process.send!(tally, () => process.disconnect());
};
for (const end of ['message', 'disconnect', 'SIGINT', 'SIGTERM']) process.on(end, () => void stop());
counter.running().catch((error: unknown) => {
  console.error(`${name}: ${messageOf(error)}`);
  process.exit(1);
});
