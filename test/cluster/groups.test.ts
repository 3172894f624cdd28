import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { findGroup, GroupMember } from '../harness/group-member.ts';
import { DevCluster } from './dev-cluster.ts';
import type { ServiceEntry } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';

/** Only a hang takes so long. */
const TEST_MS_MAX = 180_000;
const PATIENT = { timeout: 40_000, interval: 100 };
const TOPIC = { topic: 'orders', partitions: 3 };
const BROKERS = [1, 2, 3];
const cluster = new DevCluster('--separate', '--brokers', '3');
beforeAll(async () => {
  await cluster.start();
  const coordinators = cluster.service('coordinator').grpc!;
  await runWeir(['topic', 'create', 'orders', '--partitions', '3', '--coordinators', coordinators]);
}, TEST_MS_MAX);
afterAll(() => cluster.remove());

function broker(id: number): ServiceEntry {
  return cluster.services.find((service) => service.kind === 'broker' && service.id === String(id))!;
}

/** Which of these brokers coordinates a group, and how it is reached. */
function coordinator(group: string, among: readonly number[]): Promise<{ nodeId: number; address: string }> {
  return vi.waitFor(async () => {
    for (const id of among) {
      const found = await findGroup(broker(id).kafka!, group);
      if (found !== undefined && among.includes(found.nodeId)) return found;
    }
    throw new Error('none of them coordinates the group');
  }, PATIENT);
}

/** The only member of a group, with all partitions. Leaders may be on their way back to a broker that was away. */
function joined(group: string): Promise<{ readonly first: number; readonly member: GroupMember }> {
  return vi.waitFor(async () => {
    const { nodeId: first, address } = await coordinator(group, BROKERS);
    const member = await GroupMember.connect(address, { group, ...TOPIC });
    expect(await member.join()).toBe(0);
    expect(await member.sync()).toEqual({ error: 0, partitions: 3 });
    return { first, member };
  }, PATIENT);
}

/** The same member at another coordinator. */
async function movedTo(address: string, group: string, { memberId, generation }: GroupMember): Promise<GroupMember> {
  const moved = await GroupMember.connect(address, { group, ...TOPIC });
  return Object.assign(moved, { memberId, generation });
}

test(
  'a coordinator that stood still while another one took its place commits nothing any more',
  { timeout: TEST_MS_MAX },
  async () => {
    const { first, member } = await joined('paused');
    expect(await member.commit(100)).toBe(0);
    const { pid } = broker(first);
    process.kill(pid, 'SIGSTOP');
    try {
      const next = await coordinator(
        'paused',
        BROKERS.filter((id) => id !== first),
      );
      const moved = await movedTo(next.address, 'paused', member);
      await vi.waitFor(async () => expect(await moved.commit(200)).toBe(0), PATIENT);
      // It waits in the socket of the one that stands still.
      const late = member.commit(150);
      process.kill(pid, 'SIGCONT');
      expect(await late).not.toBe(0);
      expect(await moved.committed()).toBe(200);
      for (const one of [member, moved]) one.close();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  },
);

test(
  'a group outlives the broker that coordinates it: its member goes on with the id and the generation that it has',
  { timeout: TEST_MS_MAX },
  async () => {
    const { first, member } = await joined('killed');
    for (let offset = 1; offset <= 50; offset++) expect(await member.commit(offset)).toBe(0);
    process.kill(broker(first).pid, 'SIGKILL');
    const next = await coordinator(
      'killed',
      BROKERS.filter((id) => id !== first),
    );
    const moved = await movedTo(next.address, 'killed', member);
    // It may be reading yet.
    await vi.waitFor(async () => expect(await moved.committed()).toBe(50), PATIENT);
    expect(await moved.heartbeat()).toBe(0);
    expect(await moved.commit(51)).toBe(0);
    expect(await moved.committed()).toBe(51);
    moved.close();
  },
);
