import type { Mutation, SeedBudget } from './mutation.ts';

/** Most are found within ten seeds; whoever changes what seeds draw has other ones. */
const BROKERS: SeedBudget = { simulation: 'brokers', seeds: 100 };

/** What replication rests on. */
export const REPLICATION_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a member of the ISR that lacks what is committed stays there while it catches up',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: ' && !this.lacks(broker, highWatermark);',
    replace: ';',
    tests: ['services/broker/src/replication/in-sync-replicas.test.ts'],
  },
  {
    name: 'a damaged replica is dropped while its leader may take it back for what it was',
    file: 'services/broker/src/partition/doubts.ts',
    find: "    if (leaderEpoch <= known.spokeIn) return 'report';\n",
    replace: '',
    tests: ['services/broker/src/replication/healing.test.ts'],
    always: true,
  },
  {
    name: 'a damaged replica is dropped while it may be elected',
    file: 'services/broker/src/partition/doubts.ts',
    find: 'if (leader === me || isr.includes(me) || elr.includes(me)) return',
    replace: 'if (leader === me || isr.includes(me)) return',
    tests: ['services/broker/src/partition/doubts.test.ts'],
  },
  {
    name: 'the last replica is dropped because it is damaged',
    file: 'services/broker/src/partition/doubts.ts',
    find: "    if (leader === -1) return 'wait';\n",
    replace: '',
    tests: ['services/broker/src/partition/doubts.test.ts'],
  },
  {
    name: 'what a journal has of a log that is gone comes back over the one in its place',
    file: 'services/broker/src/partition/open-log.ts',
    find: 'if (said > 0) writeTruncationMark',
    replace: 'if (said < 0) writeTruncationMark',
    tests: ['services/broker/src/partition/partition-faults.test.ts'],
  },
  {
    name: 'a follower cuts its log to its high watermark',
    file: 'services/broker/src/partition/followership.ts',
    find: '    log.truncateTo(log.endOffset);\n',
    replace:
      '    log.truncateTo(offset(Math.max(log.startOffset, Math.min(log.endOffset, this.#host.highWatermark))));\n',
    tests: BROKERS,
    always: true,
  },
  {
    name: 'a follower takes what its leader says of an earlier epoch for what it has itself',
    file: 'services/broker/src/partition/followership.ts',
    find: 'epoch === -1 ? 0 : local.epoch === epoch ? Math.min(endOffset, local.endOffset) : local.endOffset',
    replace: 'epoch === -1 ? 0 : endOffset',
    tests: BROKERS,
  },
  {
    name: 'a leader takes the end of an earlier epoch for that of the one that was asked for',
    file: 'services/broker/src/partition/leadership.ts',
    find: 'return end.epoch === lastEpoch && end.endOffset >= endOffset ? undefined : end;',
    replace: 'return end.endOffset >= endOffset ? undefined : end;',
    tests: BROKERS,
  },
  {
    name: 'a leader does not compare the epoch of what its follower has last',
    file: 'services/broker/src/partition/leadership.ts',
    find: 'return end.epoch === lastEpoch && end.endOffset >= endOffset ? undefined : end;',
    replace: 'return endOffset <= log.endOffset ? undefined : end;',
    tests: BROKERS,
  },
  {
    name: 'a leader is followed in whatever epoch',
    file: 'services/broker/src/replication/follower-stream.ts',
    find: 'serving(topicId, index, leaderEpoch)',
    replace: 'serving(topicId, index, -1 * Math.sign(leaderEpoch + 1))',
    // Logs are compared as well, and batches of a later epoch are not taken: a seed does not see it.
    tests: ['services/broker/src/replication/replication.test.ts'],
  },
  {
    name: 'a leader never says that logs differ',
    file: 'services/broker/src/replication/follower-stream.ts',
    find: 'const divergence = leadership.divergenceFrom(point);',
    replace: 'const divergence = point.endOffset < 0 ? leadership.divergenceFrom(point) : undefined;',
    tests: BROKERS,
  },
  {
    name: 'a leader counts only with those who are in sync in the metadata that it has',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: 'for (const { broker, epoch } of this.#maximal) {',
    replace: 'for (const { broker, epoch } of this.#state.isr) {',
    tests: BROKERS,
  },
  {
    name: 'a replica joins the ISR below the start of the leader epoch',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: 'durableEnd >= highWatermark && durableEnd >= this.#epochStart',
    replace: 'durableEnd >= highWatermark',
    tests: BROKERS,
  },
  {
    name: 'a replica joins the ISR below the high watermark',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: 'durableEnd >= highWatermark && durableEnd >= this.#epochStart',
    replace: 'durableEnd >= this.#epochStart',
    tests: BROKERS,
  },
  {
    name: 'a replica joins the ISR under another registration than its leader knows',
    file: 'services/coordinator/src/controller/alter-isr.ts',
    find: 'if (session.revision !== epoch) return',
    replace: 'if (session.revision < epoch) return',
    tests: BROKERS,
  },
  {
    name: 'a position counts under whatever registration of its broker',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: 'if (follower === undefined || follower.epoch !== epoch) return undefined;',
    replace: 'if (follower === undefined) return undefined;',
    // Whoever comes back with less than it had says so when it registers (R9), and is not in sync: this is the second lock.
    tests: ['services/broker/src/replication/in-sync-replicas.test.ts'],
  },
  {
    name: 'records are committed with too few replicas in sync',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: '    if (!this.isEnough) return undefined;\n',
    replace: '',
    tests: BROKERS,
    always: true,
  },
  {
    name: 'records are committed without followers that have said nothing yet',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: 'if (follower === undefined || follower.epoch !== epoch) return undefined;',
    replace: 'if (follower === undefined || follower.epoch !== epoch) continue;',
    tests: BROKERS,
  },
  {
    name: 'a record counts before its sync is back, under power cuts',
    file: 'packages/log/src/log-writer.ts',
    find: 'this.#progress.wrote(active.bytes - before);',
    replace: 'this.#progress.wrote(active.bytes - before);\n    this.#count(this.#mark());',
    tests: BROKERS,
  },
  {
    name: 'a leader counts itself before its sync is back',
    file: 'services/broker/src/partition/partition.ts',
    find: 'leadership.replicas.committable(durableEnd)',
    replace: 'leadership.replicas.committable(log.endOffset)',
    tests: BROKERS,
    always: true,
  },
  {
    name: 'a follower tells what it has received, and not what it has synced',
    file: 'services/broker/src/replication/leader-link.ts',
    find: '      followed.took(partition.endOffset, records.length);\n',
    replace:
      "      followed.took(partition.endOffset, records.length);\n      const positions = [{ subscription: frame.subscription, durableEnd: BigInt(partition.endOffset) }];\n      this.#send({ case: 'positions', value: { positions, creditBytes: 0n } });\n",
    tests: BROKERS,
  },
  {
    name: 'a proposal whose outcome is not known is taken back',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: "        this.#isUncertain = true;\n        this.#phase = 'resend';\n        return true;",
    replace:
      "        this.#proposals = [];\n        this.#phase = 'idle';\n        this.#maximal = this.#union();\n        return true;",
    tests: BROKERS,
  },
  {
    name: 'a refusal takes back a proposal that may be written yet',
    file: 'services/broker/src/replication/in-sync-replicas.ts',
    find: '        if (this.#isUncertain) {',
    replace: '        if (this.#isUncertain && this.#proposals.length === 0) {',
    // An earlier request would have to arrive behind a later one, when its newcomer drains no more.
    tests: ['services/broker/src/replication/in-sync-replicas.test.ts'],
  },
  {
    name: 'a broker forgets what it doubts',
    file: 'services/broker/src/partition/doubts.ts',
    find: 'return [...this.#known.values()].map(',
    replace: 'return [...this.#known.values()].slice(this.#known.size).map(',
    tests: BROKERS,
  },
  {
    name: 'a follower keeps nothing of producers',
    file: 'packages/log/src/log.ts',
    find: '    this.#writer.appendReplicated(batch);\n    this.#producers.appended(batch, this.#writtenEnd);\n',
    replace: '    this.#writer.appendReplicated(batch);\n',
    tests: BROKERS,
    always: true,
  },
  {
    name: 'a follower that begins anew is told nothing of producers',
    file: 'services/broker/src/replication/follower-stream.ts',
    find: 'const producers = point.lastEpoch === -1 ? leadership.producersBelow(from) : undefined;',
    replace: 'const producers = point.lastEpoch < -1 ? leadership.producersBelow(from) : undefined;',
    // A producer would have to repeat what is committed and deleted by then, to a leader that has begun anew since.
    tests: ['services/broker/src/replication/replication.test.ts'],
  },
  {
    name: 'a follower that cuts its log remembers of producers what it has cut',
    file: 'packages/log/src/producers/log-producers.ts',
    find: 'if (!this.#written.reach(end)) return;',
    replace: 'if (end >= 0) return;',
    tests: BROKERS,
  },
  {
    name: 'a start takes rot below the checkpoint for a torn tail',
    file: 'packages/log/src/recovery.ts',
    find: 'if (good.endOffset < this.#floor) {',
    replace: 'if (good.endOffset < 0) {',
    tests: BROKERS,
  },
];
