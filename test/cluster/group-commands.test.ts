import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WeirChild } from '../harness/weir-child.ts';
import { DevCluster } from './dev-cluster.ts';
import { runWeir } from './run-weir.ts';

const TEST_MS_MAX = 60_000;
const cluster = new DevCluster();
beforeAll(async () => {
  await cluster.start();
  await onCluster(['topic', 'create', 'bills', '--partitions', '2']);
  await onCluster(['produce', 'bills', '--key-separator', ':'], lines(0, 20));
}, TEST_MS_MAX);
afterAll(() => cluster.remove());

/** A command line against the test's cluster. */
const onCluster = (words: string[], input?: string) =>
  runWeir([...words, '--coordinators', cluster.service('coordinator').grpc!], input);

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `${from + i}:line ${from + i}\n`).join('');
}

async function json(...words: string[]): Promise<any> {
  const { code, out, err } = await onCluster([...words, '-o', 'json']);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

/** Offset, end and lag over all partitions. */
async function totals(group: string): Promise<{ offset: number; end: number; lag: number }> {
  const { partitions } = await json('group', 'describe', group);
  const sum = (of: 'offset' | 'end' | 'lag'): number =>
    partitions.reduce((total: number, row: Record<string, number>) => total + (row[of] ?? 0), 0);
  return { offset: sum('offset'), end: sum('end'), lag: sum('lag') };
}

test(
  'a group prints each record once, over several commands, and commits as it prints',
  { timeout: TEST_MS_MAX },
  async () => {
    const first = await onCluster(['consume', 'bills', '--group', 'billing', '-n', '7']);
    expect([first.code, first.err]).toEqual([0, '']);
    expect(await totals('billing')).toEqual({ offset: 7, end: 20, lag: 13 });
    const rest = await onCluster(['consume', 'bills', '--group', 'billing']);
    expect(rest.code).toBe(0);
    const printed = `${first.out}${rest.out}`.trimEnd().split('\n');
    expect(printed.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `line ${i}`).toSorted());
    expect((await onCluster(['consume', 'bills', '--group', 'billing'])).out).toBe('');
    expect(await totals('billing')).toEqual({ offset: 20, end: 20, lag: 0 });
  },
);

test('a group is listed, described, moved and deleted', { timeout: TEST_MS_MAX }, async () => {
  await onCluster(['consume', 'bills', '-g', 'moved']);
  expect((await onCluster(['group', 'list'])).out).toMatch(/^moved +Empty +0 +consumer$/m);
  expect(await json('group', 'list', '--state', 'stable')).toEqual([]);
  expect((await onCluster(['group', 'describe', 'moved'])).out).toMatch(/^bills +1 +\d+ +\d+ +0 +-$/m);
  const tried = await json('group', 'seek', 'moved', 'bills', '--to', 'earliest', '--dry-run');
  expect(tried).toMatchObject({
    group: 'moved',
    dryRun: true,
    partitions: [
      { partition: 0, to: 0 },
      { partition: 1, to: 0 },
    ],
  });
  expect((await totals('moved')).lag).toBe(0);
  const moved = await onCluster(['group', 'seek', 'moved', 'bills', '--to', 'earliest']);
  expect(moved.out).toMatch(/^PARTITION +FROM +TO\n0 +\d+ +0\n1 +\d+ +0\n$/);
  expect((await totals('moved')).offset).toBe(0);
  await onCluster(['group', 'seek', 'moved', 'bills', '--partition', '1', '--by', '3']);
  await onCluster(['group', 'seek', 'moved', 'bills', '-p', '1', '--by=-1']);
  expect((await totals('moved')).offset).toBe(2);
  const other = await onCluster(['group', 'seek', 'moved', 'bills', '--to', '5']);
  expect([other.code, other.err]).toEqual([2, expect.stringContaining('needs --partition')]);
  expect((await onCluster(['group', 'delete', 'moved'])).err).toContain('--yes is missing');
  expect((await onCluster(['group', 'delete', 'moved', '--yes'])).out).toBe('group moved deleted\n');
  const gone = await onCluster(['group', 'describe', 'moved']);
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('GROUP_ID_NOT_FOUND')]);
});

test(
  'a group with a member is neither moved nor deleted; Ctrl-C makes it leave',
  { timeout: TEST_MS_MAX },
  async () => {
    const coordinators = cluster.service('coordinator').grpc!;
    const member = new WeirChild(['consume', 'bills', '--group', 'used', '--follow', '--coordinators', coordinators]);
    await vi.waitFor(() => expect(member.output.split('\n').length).toBeGreaterThan(20), { timeout: 20_000 });
    const described = await onCluster(['group', 'describe', 'used']);
    expect(described.out).toMatch(/^used: Stable, generation \d+, range$/m);
    expect(described.out).toMatch(/^weir-cli-\S+ +127\.0\.0\.1 +2$/m);
    for (const words of [
      ['seek', 'used', 'bills', '--to', 'latest', '--dry-run'],
      ['delete', 'used', '--yes'],
    ]) {
      const refused = await onCluster(['group', ...words]);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('NON_EMPTY_GROUP')]);
    }
    expect(await member.end('SIGINT')).toMatchObject({ code: 0 });
    expect(await json('group', 'list', '--state', 'empty')).toContainEqual(
      expect.objectContaining({ groupId: 'used', memberCount: 0 }),
    );
    expect(await totals('used')).toMatchObject({ lag: 0 });
  },
);

test('what cannot be told to members of a group is refused', async () => {
  const partition = await onCluster(['consume', 'bills', '--group', 'g', '--partition', '0']);
  expect([partition.code, partition.err]).toEqual([2, expect.stringContaining('--partition and --group')]);
  const offset = await onCluster(['consume', 'bills', '--group', 'g', '--offset', '5']);
  expect([offset.code, offset.err]).toEqual([2, expect.stringContaining('weir group seek')]);
});
