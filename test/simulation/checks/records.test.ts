import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordHistory } from './record-history.ts';
import type { SeenRecord, Send } from './record-history.ts';
import { anomaliesIn } from './records.ts';
import type { AnomalyKind, EndOfHistory, ReplicaLog } from './records.ts';

const PARTITION = 'orders-0';

/** One step of a cluster that does nothing wrong. */
type Step =
  | {
      readonly kind: 'send';
      readonly producer: number;
      readonly records: number;
      readonly outcome: 'ok' | 'fail' | 'info' | 'infoStored';
    }
  | { readonly kind: 'read'; readonly reader: number; readonly records: number };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('send' as const),
    producer: fc.integer({ min: 0, max: 2 }),
    records: fc.integer({ min: 1, max: 4 }),
    outcome: fc.constantFrom('ok', 'ok', 'ok', 'fail', 'info', 'infoStored'),
  }),
  fc.record({
    kind: fc.constant('read' as const),
    reader: fc.integer({ min: 0, max: 2 }),
    records: fc.integer({ min: 1, max: 5 }),
  }),
);

/** A log to which producers append and from which readers read, and the history of it. */
class Cluster {
  readonly history = new RecordHistory();
  readonly log: SeenRecord[] = [];
  readonly #positions = new Map<string, number>();
  #batches = 0;

  run(steps: readonly Step[]): this {
    for (const step of steps) {
      if (step.kind === 'send') this.send(step);
      else this.read(`reader ${step.reader}`, step.records);
    }
    this.read('fresh', Infinity);
    return this;
  }

  send({ producer, records, outcome }: Omit<Extract<Step, { kind: 'send' }>, 'kind'>): Send[] {
    const batch = `batch ${++this.#batches}`;
    const sends = Array.from({ length: records }, (_, i) =>
      this.history.sent({ producer: `producer ${producer}`, partition: PARTITION, value: `${batch}.${i}`, batch }),
    );
    for (const send of sends) {
      if (outcome === 'ok') this.history.acknowledged(send, this.#store(send));
      if (outcome === 'infoStored') this.#store(send);
      if (outcome === 'fail') this.history.failed(send);
    }
    return sends;
  }

  read(reader: string, count: number): void {
    const from = this.#positions.get(reader) ?? 0;
    const records = this.log.slice(from, from + count);
    this.#positions.set(reader, from + records.length);
    this.history.polled({ reader, partition: PARTITION, from, records });
  }

  replica(records: readonly SeenRecord[] = this.log): ReplicaLog {
    return { partition: PARTITION, replica: 'broker 1', startOffset: 0, records };
  }

  #store({ value }: Send): number {
    this.log.push({ offset: this.log.length, value });
    return this.log.length - 1;
  }
}

test('a cluster that does nothing wrong has a history without anomalies', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const cluster = new Cluster().run(steps);
      expect(anomaliesIn(cluster.history, { replicas: [cluster.replica()] })).toEqual([]);
    }),
  );
});

/** A cluster with a few records, and something wrong with it. */
interface Planted {
  readonly plant: (cluster: Cluster, at: number) => EndOfHistory | void;
  readonly kinds: readonly AnomalyKind[];
}

/** Acknowledged sends, of which there is at least one behind and one before the one in the middle. */
function acknowledged({ history }: Cluster): Send[] {
  return history.sends.filter(({ outcome }) => outcome === 'ok');
}

/** The records of everybody who has read an offset, without it. */
function unread(cluster: Cluster, lost: (offset: number) => boolean): void {
  const { polls } = cluster.history;
  for (const [i, poll] of polls.entries())
    polls[i] = { ...poll, records: poll.records.filter(({ offset }) => !lost(offset)) };
}

const PLANTED: Record<string, Planted> = {
  'a record that was acknowledged and that nobody reads': {
    plant: (cluster, at) => unread(cluster, (offset) => offset === acknowledged(cluster)[at]!.offset),
    kinds: ['lost-write', 'unseen'],
  },
  'an end of the log that nobody reads': {
    plant: (cluster, at) => unread(cluster, (offset) => offset >= acknowledged(cluster)[at]!.offset),
    kinds: ['unseen'],
  },
  'two values at one offset, one acknowledged and one read': {
    plant: (cluster, at) => {
      const send = acknowledged(cluster)[at]!;
      const other = cluster.history.sent({ ...send, value: 'another', batch: 'another' });
      cluster.history.polled({
        reader: 'else',
        partition: PARTITION,
        from: send.offset,
        records: [{ offset: send.offset, value: other.value }],
      });
    },
    kinds: ['inconsistent-offsets'],
  },
  'a value that is stored twice': {
    plant: (cluster, at) => {
      const { value } = acknowledged(cluster)[at]!;
      cluster.log.push({ offset: cluster.log.length, value });
      cluster.read('fresh', 1);
    },
    kinds: ['duplicate'],
  },
  'a value that was refused': {
    plant: (cluster) => {
      const [send] = cluster.send({ producer: 0, records: 1, outcome: 'fail' });
      cluster.log.push({ offset: cluster.log.length, value: send!.value });
      cluster.read('fresh', 1);
    },
    kinds: ['aborted-read'],
  },
  'a value that nobody sent': {
    plant: (cluster) => {
      cluster.log.push({ offset: cluster.log.length, value: 'from nowhere' });
      cluster.read('fresh', 1);
    },
    kinds: ['phantom'],
  },
  'a reader that goes back': {
    plant: (cluster, at) => {
      const { offset } = acknowledged(cluster)[at]!;
      cluster.history.polled({
        reader: 'fresh',
        partition: PARTITION,
        from: offset + 1,
        records: [cluster.log[offset]!],
      });
    },
    kinds: ['nonmonotonic-poll'],
  },
  'a reader that leaves something out': {
    plant: (cluster, at) => {
      const { offset } = acknowledged(cluster)[at]!;
      cluster.send({ producer: 0, records: 1, outcome: 'ok' });
      const records = cluster.log.filter((record) => record.offset !== offset);
      cluster.history.polled({ reader: 'else', partition: PARTITION, from: 0, records });
    },
    kinds: ['poll-skip'],
  },
  'a producer whose records change places': {
    plant: (cluster) => {
      const [first, second] = cluster.send({ producer: 0, records: 2, outcome: 'ok' });
      [first!.offset, second!.offset] = [second!.offset, first!.offset];
      cluster.read('fresh', 2);
    },
    kinds: ['nonmonotonic-send'],
  },
  'a write that lies before one that had been acknowledged': {
    plant: (cluster) => {
      const [first] = cluster.send({ producer: 0, records: 1, outcome: 'ok' });
      const [second] = cluster.send({ producer: 1, records: 1, outcome: 'ok' });
      [first!.offset, second!.offset] = [second!.offset, first!.offset];
      cluster.read('fresh', 2);
    },
    kinds: ['real-time-order'],
  },
  'a batch of which a part is stored': {
    plant: (cluster) => {
      const [first] = cluster.send({ producer: 0, records: 2, outcome: 'info' });
      cluster.log.push({ offset: cluster.log.length, value: first!.value });
      cluster.read('fresh', 1);
    },
    kinds: ['lost-write'],
  },
  'a replica that lacks what was acknowledged': {
    plant: (cluster, at) => {
      const { offset } = acknowledged(cluster)[at]!;
      return { replicas: [cluster.replica(cluster.log.filter((record) => record.offset !== offset))] };
    },
    kinds: ['lost-on-replica'],
  },
  'a replica that has something else': {
    plant: (cluster, at) => {
      const { offset } = acknowledged(cluster)[at]!;
      const other = cluster.history.sent({
        producer: 'else',
        partition: PARTITION,
        value: 'another',
        batch: 'another',
      });
      const records = cluster.log.map((record) => (record.offset === offset ? { offset, value: other.value } : record));
      return { replicas: [cluster.replica(records)] };
    },
    kinds: ['lost-on-replica', 'inconsistent-offsets'],
  },
  'a reader that cannot go on': {
    plant: (cluster) => cluster.history.lostPlace({ reader: 'fresh', partition: PARTITION, offset: 3 }),
    kinds: ['lost-place'],
  },
};

/** Some of what is sent is acknowledged, in the middle of anything else. */
const STEPS_WITH_ACKNOWLEDGED = fc
  .tuple(fc.array(STEP, { maxLength: 20 }), fc.array(STEP, { maxLength: 20 }))
  .map(([before, after]): Step[] => [...before, { kind: 'send', producer: 0, records: 2, outcome: 'ok' }, ...after]);

for (const [what, { plant, kinds }] of Object.entries(PLANTED)) {
  test(`${what} is found`, () => {
    fc.assert(
      fc.property(STEPS_WITH_ACKNOWLEDGED, fc.nat(), (steps, seed) => {
        const cluster = new Cluster().run(steps);
        const end = plant(cluster, seed % acknowledged(cluster).length) ?? {};
        const found = anomaliesIn(cluster.history, end).map(({ kind }) => kind);
        expect(found.some((kind) => kinds.includes(kind))).toBe(true);
      }),
    );
  });
}

test('a partition that may lose records may not invent any', () => {
  const cluster = new Cluster().run([{ kind: 'send', producer: 0, records: 3, outcome: 'ok' }]);
  unread(cluster, () => true);
  const mayLose = new Set([PARTITION]);
  expect(anomaliesIn(cluster.history, { mayLose })).toEqual([]);
  cluster.history.polled({
    reader: 'else',
    partition: PARTITION,
    from: 7,
    records: [{ offset: 7, value: 'from nowhere' }],
  });
  expect(anomaliesIn(cluster.history, { mayLose }).map(({ kind }) => kind)).toEqual(['phantom']);
});

test('what was deleted from the start of a partition need not be read', () => {
  const cluster = new Cluster().run([{ kind: 'send', producer: 0, records: 3, outcome: 'ok' }]);
  unread(cluster, (offset) => offset < 2);
  expect(anomaliesIn(cluster.history).map(({ kind }) => kind)).toEqual(['lost-write', 'lost-write', 'poll-skip']);
  expect(anomaliesIn(cluster.history, { startOffsets: new Map([[PARTITION, 2]]) })).toEqual([]);
});

test('of a compacted partition what a later record of its key follows need not be there, and the last one does', () => {
  const history = new RecordHistory();
  const send = (value: string, key: string, offset: number, isTombstone = false): void => {
    const sent = history.sent({ producer: 'p', partition: PARTITION, value, batch: value, key, isTombstone });
    history.acknowledged(sent, offset);
  };
  send('1', 'a', 0);
  send('2', 'b', 1);
  send('3', 'a', 2);
  send('4', 'c', 3, true);
  const kept = [
    { offset: 1, value: '2' },
    { offset: 2, value: '3' },
  ];
  history.polled({ reader: 'r', partition: PARTITION, from: 0, records: kept });
  const end = { compacted: new Set([PARTITION]) };
  const logOf = (records: readonly SeenRecord[]): ReplicaLog[] => [
    { partition: PARTITION, replica: 'r1', startOffset: 0, records },
  ];
  expect(anomaliesIn(history, { ...end, replicas: logOf(kept) })).toEqual([]);
  const kindsOf = (records: readonly SeenRecord[]): AnomalyKind[] =>
    anomaliesIn(history, { ...end, replicas: logOf(records) }).map(({ kind }) => kind);
  expect(kindsOf(kept.slice(1))).toEqual(['lost-on-replica']);
  expect(kindsOf([{ offset: 0, value: '2' }, ...kept])).toContain('inconsistent-offsets');
  expect(anomaliesIn(history, { replicas: logOf(kept) }).length).toBeGreaterThan(0);
});
