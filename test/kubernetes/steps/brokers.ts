import { deleteAtOnce, endOnTheSpot } from '../end-on-the-spot.ts';
import { underSteadyLoad } from '../loads.ts';
import type { Step, StepContext } from '../step.ts';
import { judgeConsumers, serving } from './consumers.ts';

/** What the chart's defaults give a topic. */
const REPLICAS = 3;
/** A session that is silent has to end, and then somebody else has to lead; clients find out within a retry. */
const SILENT_MS_MAX = 15_000;

/** A broker that dies is led away from, and who produces only waits for that. */
export const brokerKilled: Step = {
  name: 'broker-killed',
  title:
    'a broker ends on the spot, then the pod of one is deleted at once, under load over HTTP and Kafka, and groups read',
  async run(context) {
    const { release, client, report } = context;
    const ways = [
      ['its process ended on the spot', endOnTheSpot],
      ['its pod was deleted at once', deleteAtOnce],
    ] as const;
    for (const [i, [what, kill]] of ways.entries()) {
      const consumers = client.consumers(`read-over-brokers-${i}`);
      await serving(consumers, release);
      const { leader } = client.partitions()[0]!;
      const pod = `${release.name}-broker-${leader}`;
      const { silentMs } = await underSteadyLoad(
        context,
        async () => {
          kill(pod, release);
          await restored(context);
          await serving(consumers, release);
        },
        'try again',
      );
      checkSilence(context, silentMs, `${pod} led, and ${what}`);
      judgeConsumers(context, await consumers.finish(), what);
      report.verdict(client.judge(), `after ${what}`);
    }
  },
};

/** What a broker has lost the others still have, and give back to it. */
export const brokerLost: Step = {
  name: 'broker-lost',
  title: 'a broker loses its volume under load, and has its replicas again from the others',
  async run(context) {
    const { release, client, report } = context;
    const id = 1;
    const pod = `${release.name}-broker-${id}`;
    const claim = ['get', 'pvc', `data-${pod}`, '--output', 'jsonpath={.metadata.uid}'];
    const lost = release.kubectl(...claim);
    const { silentMs } = await underSteadyLoad(
      context,
      async () => {
        release.kubectl('delete', 'pvc', `data-${pod}`, '--wait=false');
        deleteAtOnce(pod, release);
        await restored(context);
      },
      'try again',
    );
    report.check(release.kubectl(...claim) !== lost, `${pod} has another volume, and all of its replicas are in sync`);
    checkSilence(context, silentMs, `${pod} lost its volume`);
    const preferred = client.partitions().filter(({ replicas }) => replicas[0] === id).length;
    await release.until(
      `${pod} leads again`,
      () => client.partitions().filter(({ leader }) => leader === id).length >= preferred,
    );
    // What it leads is read from it alone.
    report.verdict(client.judge(), `with ${preferred} partitions read from ${pod}`);
  },
};

/** Everything is as it was: pods are ready, and every replica is in sync. @throws Error that says what is not, after a while */
export async function restored({ release, client }: Pick<StepContext, 'release' | 'client'>): Promise<void> {
  await release.ready();
  await release.until('every replica is in sync', () =>
    client.partitions().every(({ isr, replicas }) => replicas.length === REPLICAS && isr.length === REPLICAS),
  );
}

function checkSilence({ report }: StepContext, silentMs: number, when: string): void {
  report.check(silentMs < SILENT_MS_MAX, `${when}: acknowledgements go on`, `after ${silentMs} ms at most`);
}
