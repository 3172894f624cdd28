import { performance } from 'node:perf_hooks';
import type { ClientPod } from '../client-pod.ts';
import { deleteAtOnce } from '../end-on-the-spot.ts';
import { etcdTools } from '../etcd-image.ts';
import { underSteadyLoad } from '../loads.ts';
import { OperationsDesk } from '../operations.ts';
import type { Release } from '../release.ts';
import type { Step, StepContext } from '../step.ts';

/** Two members of three decide without the third, whoever led. */
export const etcdDeleted: Step = {
  name: 'etcd-deleted',
  title: 'pods of etcd are deleted, the leading member first, under load over HTTP and Kafka',
  async run(context) {
    const { release, client, report } = context;
    const leader = leaderOf(release);
    const follower = release.pods('etcd').find(({ name }) => name !== leader)!.name;
    for (const pod of [leader, follower]) {
      await underSteadyLoad(context, async () => {
        const startMs = performance.now();
        deleteAtOnce(pod, release);
        client.createTopicOverHttp(`after-${pod}-${Math.round(startMs)}`);
        report.check(true, `a topic was created after ${pod} was deleted`, since(startMs));
        await release.ready();
        report.check(true, `${pod} is back`, since(startMs));
      });
      report.verdict(client.judge(), `after ${pod} was deleted`);
    }
  },
};

/** A member without its volume stays out until somebody who follows docs/OPERATIONS.md has it join anew. */
export const etcdLost: Step = {
  name: 'etcd-lost',
  title: 'a member of etcd loses its volume, and is replaced as docs/OPERATIONS.md says, under load',
  async run(context) {
    const { release, client, report } = context;
    const { name, namespace } = release;
    const [lost, other] = [`${name}-etcd-1`, `${name}-etcd-0`];
    using desk = await openDesk(context);
    await underSteadyLoad(context, async () => {
      release.kubectl('delete', 'pvc', `data-${lost}`, '--wait=false');
      release.kubectl('delete', 'pod', lost, '--grace-period=0', '--force');
      await release.until(`${lost} says that it may not come back like that`, () =>
        release.tryKubectl('logs', lost, '--tail=50').stdout.includes('has already been bootstrapped'),
      );
      client.createTopicOverHttp('with-two-members');
      report.check(true, 'a member without its volume stays out, and the other two create a topic');
      const before = release.pods().map(({ uid }) => uid);
      const startMs = performance.now();
      const { ok, stdout, stderr } = desk.follow('member add', { release: name, namespace, lost, other });
      report.check(ok, 'it joins the others as docs/OPERATIONS.md says', ok ? since(startMs) : tailOf(stdout + stderr));
      await release.ready();
      const started = membersOf(release).filter(({ clientURLs }) => clientURLs !== undefined);
      report.check(started.length === 3, 'there are three members again', `${started.length}`);
      const replaced = release.pods().filter(({ uid }) => !before.includes(uid));
      report.check(
        String(replaced.map((pod) => pod.name)) === lost,
        'and no other pod was replaced for it',
        replaced.map((pod) => pod.name).join(', '),
      );
    });
    report.verdict(client.judge(), 'after the member was replaced');
    // It counts again: without another one, two of three still decide.
    deleteAtOnce(other, release);
    client.createTopicOverHttp('with-the-new-member');
    report.check(true, 'with the new member, another one may be away');
    await release.ready();
  },
};

/** All members lose their volumes; a snapshot has what they had. */
export const etcdRestored: Step = {
  name: 'etcd-restored',
  title: 'all of etcd is lost, and restored from a snapshot as docs/OPERATIONS.md says',
  async run(context) {
    const { release, client, image, report } = context;
    const { name, namespace } = release;
    using desk = await openDesk(context);
    const topics = topicsOf(client);
    const saved = desk.follow('snapshot save', { release: name, namespace, snapshot: 'weir.db' });
    report.check(saved.ok, 'a snapshot is taken', saved.ok ? '' : tailOf(saved.stdout + saved.stderr));
    await underSteadyLoad(context, async () => {
      const sets = ['coordinator', 'etcd'].map((component) => `statefulset/${name}-${component}`);
      release.kubectl('scale', ...sets, '--replicas=0');
      await release.until('coordinators and etcd are gone', () =>
        release.pods().every((pod) => !/-(coordinator|etcd)-/.test(pod.name)),
      );
      release.kubectl('delete', 'pvc', ...[0, 1, 2].map((index) => `data-${name}-etcd-${index}`));
      // Members without volumes get new ones, and make an empty cluster of themselves.
      release.kubectl('scale', `statefulset/${name}-etcd`, '--replicas=3');
      await release.until(
        'there is an empty etcd',
        () => release.pods('etcd').filter(({ ready }) => ready).length === 3,
      );
      report.check(true, 'all that etcd had is gone');
      const startMs = performance.now();
      const names = { release: name, namespace, snapshot: 'weir.db', image, members: '0 1 2', coordinators: '2' };
      const { ok, stdout, stderr } = desk.follow('snapshot restore', names);
      report.check(ok, 'it is put back', ok ? since(startMs) : tailOf(stdout + stderr));
      await release.ready();
    });
    report.check(
      topicsOf(client) === topics,
      'all topics are there again, with their ids',
      `${topics.split(', ').length}`,
    );
    client.createTopicOverHttp('after-the-restore');
    report.check(true, 'and new ones can be created');
    report.verdict(client.judge(), 'after etcd was restored');
  },
};

async function openDesk({ report }: StepContext): Promise<OperationsDesk> {
  return new OperationsDesk(await etcdTools((line) => report.progress(line)));
}

/** Names and ids of all topics. */
function topicsOf(client: ClientPod): string {
  const topics = JSON.parse(client.weir('topic', 'list', '-o', 'json')) as { name: string; id: string }[];
  return topics.map(({ name, id }) => `${name} ${id}`).join(', ');
}

/** The pod of the member that leads. */
function leaderOf(release: Release): string {
  const pod = `${release.name}-etcd-0`;
  const words = ['etcdctl', 'endpoint', 'status', '--cluster', '--write-out', 'json'];
  const statuses = JSON.parse(release.kubectl('exec', pod, '--', ...words)) as {
    Endpoint: string;
    Status: { leader: number; header: { member_id: number } };
  }[];
  const leader = statuses.find(({ Status }) => Status.leader === Status.header.member_id);
  const name = leader === undefined ? undefined : /^http:\/\/([^.]+)\./.exec(leader.Endpoint)?.[1];
  if (name === undefined) throw new Error(`no member of etcd leads: ${JSON.stringify(statuses)}`);
  return name;
}

/** What the members are; one that has never been there has no client URLs. */
function membersOf(release: Release): readonly { readonly name: string; readonly clientURLs?: readonly string[] }[] {
  const words = ['etcdctl', 'member', 'list', '--write-out', 'json'];
  const { members } = JSON.parse(release.kubectl('exec', `${release.name}-etcd-0`, '--', ...words)) as {
    members: { name: string; clientURLs?: string[] }[];
  };
  return members;
}

function since(startMs: number): string {
  return `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
}

function tailOf(output: string): string {
  return output.trim().slice(-1_500);
}
