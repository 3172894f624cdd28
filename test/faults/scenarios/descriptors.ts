import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { History } from '../history.ts';
import { createTopic, produce, readAll } from '../load.ts';
import type { Refused } from '../load.ts';
import type { Scenario } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const DESCRIPTORS = 256;
const PARTITIONS = 400;
const CONNECTIONS = 400;
const AT_ONCE = 16;

/** Fewer descriptors than partitions, and than clients. */
export const descriptors: Scenario = {
  name: 'descriptors',
  title: `${DESCRIPTORS} descriptors for ${PARTITIONS} partitions and ${CONNECTIONS} connections`,
  needs: ['prlimit'],
  async run({ workshop, report }) {
    const dataDirectory = workshop.directory('data');
    const weir = new WeirProcess(workshop, { dataDirectory, descriptorsMax: DESCRIPTORS });
    const history = new History();
    const topic = { name: 'records', partitions: PARTITIONS };
    await weir.start();
    await createTopic(weir, topic);
    report.inject(`prlimit --nofile=${DESCRIPTORS}`);
    report.check((await produceToAll()) === undefined, 'every partition takes records');
    report.note(`${openFiles(weir.pid)} files are open`);
    report.verdict(history.judge(await readAll(weir, topic)), 'read back while all are in use');
    await weir.kill();
    await weir.start();
    const refused = await produceToAll();
    report.check(refused === undefined, 'so it does after a kill and a new start', refused?.text.trim() ?? '');
    report.verdict(history.judge(await readAll(weir, topic)), 'read back after a kill');

    const sockets = await openConnections();
    report.inject(`${CONNECTIONS} connections to the gateway that say nothing, while records are written`);
    report.progress('producing with all descriptors taken');
    const crowded = await Promise.all(
      [0, 1, 2, 3].map((partition) =>
        produce(weir, history, topic.name, partition, 10).catch((error: unknown): Refused => ({
          status: 0,
          text: String((error as Error).cause ?? error),
        })),
      ),
    );
    const bad = crowded.find((outcome) => outcome !== undefined && ![0, 429, 503, 504].includes(outcome.status));
    report.check(
      bad === undefined,
      'a produce meanwhile is taken, waits, or is refused for now',
      bad?.text.trim() ?? '',
    );
    const taken = crowded.filter((outcome) => outcome === undefined).length;
    report.note(`${taken} of ${crowded.length} produces were taken, ${openFiles(weir.pid)} files are open`);
    const reasons = new Set(crowded.map((outcome) => outcome?.text.trim().slice(0, 200) ?? ''));
    for (const reason of reasons) if (reason !== '') report.note(`refused: ${reason}`);
    report.check(weir.running, 'the process lives');
    for (const socket of sockets) socket.destroy();
    await pause(500);
    const problem = await produceToAll();
    report.check(
      problem === undefined,
      'once the connections are gone every partition takes records',
      problem?.text.trim() ?? '',
    );
    report.verdict(history.judge(await readAll(weir, topic)), 'at the end');
    await weir.stop();

    /** Returns the first refusal. */
    async function produceToAll(): Promise<Refused | undefined> {
      let next = 0;
      let first: Refused | undefined;
      const work = async (): Promise<void> => {
        for (let i = next++; i < PARTITIONS; i = next++) {
          const outcome = await produce(weir, history, topic.name, i, 3);
          first ??= outcome;
          report.progress(`${i} of ${PARTITIONS} partitions have records`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      return first;
    }

    /** Those that were let in. */
    async function openConnections(): Promise<Socket[]> {
      const [host, port] = weir.service('gateway').http!.split(':');
      const opening = Array.from({ length: CONNECTIONS }, async () => {
        const socket = connect(Number(port), host);
        socket.on('error', () => undefined);
        // One that the system has queued and the process cannot take is not told: it counts as open.
        await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), pause(2_000)]);
        return socket;
      });
      return Promise.all(opening);
    }
  },
};

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
