import { DiskFaults } from '../disk-faults.ts';
import { History } from '../history.ts';
import { createTopic, produce, readAll, readPartition } from '../load.ts';
import type { Scenario } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const BROKEN = 2;

/** The sectors under one partition are bad: writing it fails, then (after a new start) reading another one. */
export const writeError: Scenario = {
  name: 'write-error',
  title: "one partition's file cannot be written, then another one's cannot be read",
  needs: ['cc'],
  async run({ workshop, report }) {
    const faults = new DiskFaults(workshop);
    const weir = new WeirProcess(workshop, {
      dataDirectory: workshop.directory('data'),
      environment: faults.environment,
    });
    const history = new History();
    const topic = { name: 'records', partitions: 4 };
    await weir.start();
    const id = await createTopic(weir, topic, { flush: 'commit' });
    for (let i = 0; i < 20; i++) await produce(weir, history, topic.name, i % topic.partitions, 50);

    faults.set({ call: 'write', error: 'EIO', part: `${id}-${BROKEN}/` });
    report.inject(`EIO from every write into the folder of partition ${BROKEN}`);
    report.progress('writing to the broken partition: the client tries again for half a minute');
    const refused = await produce(weir, history, topic.name, BROKEN, 5);
    report.check(
      refused !== undefined && refused.status >= 500 && /offline/.test(refused.text) && /EIO/.test(refused.text),
      'a produce to it is refused with the reason',
      refused === undefined ? 'it was taken' : `${refused.status} ${refused.text.trim().slice(0, 250)}`,
    );
    report.check(weir.running, 'the process goes on');
    for (let partition = 0; partition < topic.partitions; partition++) {
      if (partition === BROKEN) continue;
      const problem = await produce(weir, history, topic.name, partition, 50);
      const { error } = await readPartition(weir, topic.name, partition);
      report.check(
        problem === undefined && error === undefined,
        `partition ${partition} is written and read as before`,
        (problem ?? error)?.text.trim() ?? '',
      );
    }
    const { text } = await weir.ops('broker', '/metrics');
    report.check(/state="offline"[^\n]* 1\b/.test(text), 'the metrics count one offline partition');

    faults.clear();
    await weir.stop();
    await weir.start();
    report.verdict(history.judge(await readAll(weir, topic)), 'after a new start on a healthy disk');
    await weir.stop();

    await weir.start();
    faults.set({ call: 'read', error: 'EIO', part: `${id}-1/` });
    report.inject('EIO from every read of the log of partition 1');
    const { records, error } = await readPartition(weir, topic.name, 1);
    report.check(
      error !== undefined && error.status >= 500,
      'a read of it is refused',
      error === undefined
        ? `${records.length} records were read`
        : `${error.status} ${error.text.trim().slice(0, 250)}`,
    );
    const told = weir.output.split('\n').find((line) => line.includes('EIO') && line.includes(`${id}-1/`));
    report.check(told !== undefined, 'the log says which file and why');
    const healthy = [0, 2, 3];
    const problems = await Promise.all(healthy.map((partition) => readPartition(weir, topic.name, partition)));
    const bad = problems.find((read) => read.error !== undefined)?.error;
    report.check(bad === undefined, 'the others are read as before', bad?.text.trim() ?? '');
    report.check(weir.running, 'the process goes on');
    faults.clear();
    await weir.stop();
    await weir.start();
    report.verdict(history.judge(await readAll(weir, topic)), 'after one more start on a healthy disk');
    await weir.stop();
  },
};
