import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { DISK_RESERVE_BYTES_MIN } from '@weir/base/limits.ts';
import { History, partitionName } from '../history.ts';
import { createTopic, produce, readAll } from '../load.ts';
import type { Refused } from '../load.ts';
import { LoopDisk } from '../loop-disk.ts';
import type { Scenario } from '../scenario.ts';
import { WeirProcess } from '../weir-process.ts';

const MEBIBYTES = 16;
const RECORDS = 100;
const WRITERS = 4;
/** Of the reserve, what the metadata, checkpoints and the file system itself may take. */
const USED_OF_RESERVE_MAX = 0.5;
const RECOVERS_WITHIN_MS = 10_000;
/** Of RECORDS each: about 750 KB, twice with the journal; less than what is deleted. */
const ROOM_REQUESTS = 10;

/** A disk that fills up. */
export const fullDisk: Scenario = {
  name: 'full-disk',
  title: `a ${MEBIBYTES} MiB disk fills up, and gets room again`,
  needs: ['root', 'loop'],
  async run({ workshop, report }) {
    const disk = new LoopDisk(workshop, MEBIBYTES);
    const weir = new WeirProcess(workshop, { dataDirectory: disk.at('data') });
    const history = new History();
    const kept = { name: 'kept', partitions: 2 };
    const victim = { name: 'victim', partitions: 1 };
    const topics = [kept];
    await weir.start();
    // Segments that can go while the log is written on: the last one never does.
    await createTopic(weir, kept, { 'segment.bytes': '1048576', 'max.message.bytes': '524288' });
    await createTopic(weir, victim);
    for (let i = 0; i < 25; i++) await produce(weir, history, victim.name, 0, RECORDS);

    const first = await fill();
    report.inject(
      `records until the disk of ${MEBIBYTES} MiB takes no more (${(disk.freeBytes / 1024 ** 2).toFixed(1)} MiB left)`,
    );
    report.check(
      first.refused.status >= 500 && /full/.test(first.refused.text),
      'a produce is refused, and told that the disk is full',
      `${first.refused.status} ${first.refused.text.trim().slice(0, 300)}`,
    );
    checkFree(first.freeBytesMin);
    report.check(weir.running, 'the process goes on');
    report.verdict(history.judge(await readAll(weir, kept, victim)), 'read while it is full');

    const deleted = await weir.http(`/v1/topics/${victim.name}`, { method: 'DELETE' });
    report.check(
      deleted.status < 300,
      'a topic can be deleted while it is full',
      `${deleted.status} ${deleted.text.trim().slice(0, 200)}`,
    );
    if (deleted.status < 300) {
      history.forget(partitionName(victim.name, 0));
      await recovers('deleting a topic');
    } else topics.push(victim);
    report.verdict(history.judge(await readAll(weir, ...topics)), 'after that');

    const second = await fill();
    checkFree(second.freeBytesMin);
    await weir.kill();
    await weir.start();
    report.check(weir.running, 'it starts on the full disk after a kill');
    const stored = await readAll(weir, ...topics);
    report.verdict(history.judge(stored), 'read after that start');
    const before = (stored.get(partitionName(kept.name, 0))?.at(-1)?.offset ?? -1) + 1;
    const path = `/v1/topics/${kept.name}/partitions/0/records?before=${before}`;
    const trimmed = await weir.http(path, { method: 'DELETE' });
    report.check(
      trimmed.status < 300,
      "a partition's records can be deleted while it is full",
      `${trimmed.status} ${trimmed.text.trim().slice(0, 200)}`,
    );
    if (trimmed.status < 300) {
      history.forget(partitionName(kept.name, 0));
      await recovers('deleting records');
      report.verdict(history.judge(await readAll(weir, ...topics)), 'at the end');
    }
    await weir.stop();

    /** Writes until every writer is refused. */
    async function fill(): Promise<{ refused: Refused; freeBytesMin: number }> {
      const state = { freeBytesMin: disk.freeBytes, over: false };
      const watching = (async (): Promise<void> => {
        while (!state.over) {
          state.freeBytesMin = Math.min(state.freeBytesMin, disk.freeBytes);
          report.progress(
            `${(disk.freeBytes / 1024 ** 2).toFixed(1)} MiB are free; a refused produce is tried again for half a minute`,
          );
          await pause(10);
        }
      })();
      const refusals = await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeUntilRefused(writer)));
      state.over = true;
      await watching;
      const other = refusals.find(({ text }) => !/full/.test(text));
      return { refused: other ?? refusals[0]!, freeBytesMin: state.freeBytesMin };
    }

    async function writeUntilRefused(writer: number): Promise<Refused> {
      for (;;) {
        const refused = await produce(weir, history, kept.name, writer % kept.partitions, RECORDS);
        if (refused !== undefined) return refused;
      }
    }

    function checkFree(freeBytesMin: number): void {
      report.check(
        freeBytesMin >= DISK_RESERVE_BYTES_MIN * (1 - USED_OF_RESERVE_MAX),
        'room is kept back',
        `never less than ${(freeBytesMin / 1024 ** 2).toFixed(2)} MiB free, ${DISK_RESERVE_BYTES_MIN / 1024 ** 2} MiB are to be kept`,
      );
    }

    /** More is taken than there was room for before. */
    async function recovers(how: string): Promise<void> {
      const sinceMs = performance.now();
      let refused: Refused | undefined;
      for (let i = 0; i < ROOM_REQUESTS && refused === undefined; i++) {
        refused = await produce(weir, history, kept.name, 1, RECORDS);
      }
      const ms = performance.now() - sinceMs;
      report.check(
        refused === undefined && ms < RECOVERS_WITHIN_MS,
        `${how} makes room, and records are taken again without a restart`,
        refused === undefined ? `after ${ms.toFixed(0)} ms` : `${refused.status} ${refused.text.trim().slice(0, 200)}`,
      );
    }
  },
};
