import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@weir/client/client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import type { WeirCluster } from './weir-cluster.ts';

const READY_MS_MAX = 10_000;
const IN_SYNC_MS_MAX = 300_000;
const POLL_MS = 5;

/** Runs `act` with a native client of the cluster, which sends records without waiting for company. */
export async function withNativeClient<T>(cluster: WeirCluster, act: (client: Client) => Promise<T>): Promise<T> {
  const options = { coordinators: cluster.coordinators, name: 'bench', producer: { lingerMs: 0 } };
  const client = new Client(options, clientWorld);
  try {
    await client.ready(READY_MS_MAX);
    return await act(client);
  } finally {
    await client.close();
  }
}

/** Creates a topic with three replicas of each partition, two of which have to be in sync; all are when it returns. */
export async function createReplicated(client: Client, name: string, partitions: number): Promise<void> {
  const configs = { 'min.insync.replicas': '2' };
  const [created] = await client.createTopics([{ name, partitions, replicationFactor: 3, configs }]);
  if (created?.refusal !== undefined) throw new Error(`topic ${name}: ${created.refusal.message}`);
  await untilInSync(client, name);
}

/** Returns once every replica of every partition is in sync. @throws Error (as a rejection) after some minutes */
export async function untilInSync(client: Client, topic: string): Promise<void> {
  const deadline = performance.now() + IN_SYNC_MS_MAX;
  while (!client.topic(topic)?.partitions.every(({ isr, replicas }) => isr.length === replicas.length)) {
    if (performance.now() > deadline) throw new Error(`not all replicas of ${topic} are in sync`);
    await pause(POLL_MS);
  }
}
