import type { Mutation, SeedBudget } from './mutation.ts';

/** Seeds of the coordinators take a tenth of a second each. */
const COORDINATORS: SeedBudget = { simulation: 'coordinators', seeds: 500 };

/** What the metadata's safety rests on. */
export const COORDINATOR_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a coordinator writes without a look at who is the controller',
    file: 'services/coordinator/src/controller/transaction.ts',
    find: "    { key: KEYS.controller, target: 'createRevision', equals: authority.controllerRevision },\n",
    replace: '',
    tests: COORDINATORS,
    always: true,
  },
  {
    name: 'a transaction does not mind when the one before it is not the newest',
    file: 'services/coordinator/src/controller/transaction.ts',
    find: "    { key: KEYS.lastChange, target: 'modRevision', equals: image.lastChange },\n",
    replace: '',
    tests: COORDINATORS,
    always: true,
  },
  {
    name: 'a broker gets producer ids under a registration that is over',
    file: 'services/coordinator/src/controller/producer-ids.ts',
    find: 'if (image.sessionOf(brokerId)?.revision !== brokerEpoch) {',
    replace: 'if (image.sessionOf(brokerId) === undefined) {',
    tests: COORDINATORS,
  },
  {
    name: 'a broker stays in sync under a registration that is over',
    file: 'services/coordinator/src/controller/partition.ts',
    find: '\n    .map(({ broker }) => ({ broker, epoch: epochOf(brokers, broker) }));\n  const kept',
    replace: ';\n  const kept',
    tests: COORDINATORS,
    always: true,
  },
  {
    name: 'a preferred replica that is not in sync is elected',
    file: 'services/coordinator/src/controller/elect-leaders.ts',
    find: "  if (!isr.some((member) => member.broker === preferred && member.epoch === epoch)) return 'notInSync';\n",
    replace: '',
    tests: [
      'services/coordinator/src/controller/elect-leaders.test.ts',
      'services/coordinator/src/controller/controller-model.test.ts',
    ],
  },
  {
    name: 'a preferred replica leads in the epoch of the leader before it',
    file: 'services/coordinator/src/controller/partition.ts',
    find: '    leader,\n    leaderEpoch: leaderEpoch(partition.leaderEpoch + 1),',
    replace: '    leader,\n    leaderEpoch: leaderEpoch(partition.leaderEpoch + 0),',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/elect-leaders.test.ts',
    ],
  },
  {
    name: 'a broker that drains keeps what another one in sync could lead',
    file: 'services/coordinator/src/controller/partition.ts',
    find: '(staying.length > 0 ? staying : isr)',
    replace: 'isr',
    tests: ['services/coordinator/src/controller/controller-model.test.ts'],
  },
  {
    name: 'an ISR is joined under another registration than its leader knows',
    file: 'services/coordinator/src/controller/alter-isr.ts',
    find: '  if (session.revision !== epoch) return',
    replace: '  if (session.revision < epoch) return',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/alter-isr.test.ts',
    ],
    always: true,
  },
  {
    name: 'an ISR is altered that follows a state that is gone',
    file: 'services/coordinator/src/controller/alter-isr.ts',
    find: 'return partitionEpochProblem(asked, wanted.partitionEpoch);',
    replace: 'return partitionEpochProblem(asked, Math.max(wanted.partitionEpoch, partition.partitionEpoch));',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/alter-isr.test.ts',
    ],
  },
  {
    name: 'an ELR stays when the minimum of the ISR is lowered',
    file: 'services/coordinator/src/controller/alter-configs.ts',
    find: 'yield [...elrsToClear(image, changes), ...changes];',
    replace: 'yield [...changes];',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/partition-rules.test.ts',
    ],
  },
  {
    name: 'an ELR goes after the minimum of the ISR is lowered',
    file: 'services/coordinator/src/controller/alter-configs.ts',
    find: 'yield [...elrsToClear(image, changes), ...changes];',
    replace: 'yield [...changes, ...elrsToClear(image, changes)];',
    tests: ['services/coordinator/src/controller/partition-rules.test.ts'],
  },
  {
    name: 'replicas that were away when their partition was made may lead it although it commits without them',
    file: 'services/coordinator/src/controller/partition.ts',
    find: 'elr: isr.length < rules.minInSync ? absent : []',
    replace: 'elr: absent',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/absent-brokers.test.ts',
    ],
  },
  {
    name: 'an ELR is left after an unclean election',
    file: 'services/coordinator/src/controller/partition.ts',
    find: 'const isFull = unclean || isr.length',
    replace: 'const isFull = isr.length',
    tests: [
      'services/coordinator/src/controller/controller-model.test.ts',
      'services/coordinator/src/controller/unclean-election.test.ts',
    ],
  },
  {
    name: 'a drain outlives its registration',
    file: 'services/coordinator/src/controller/image.ts',
    find: ' && broker.drain.epoch === session.revision',
    replace: '',
    tests: ['services/coordinator/src/store/records.test.ts'],
  },
  {
    name: 'a broker that holds replicas is unregistered',
    file: 'services/coordinator/src/controller/unregister-broker.ts',
    find: 'if (held.count > 0) {',
    replace: 'if (held.count < 0) {',
    tests: ['services/coordinator/src/controller/unregister-broker.test.ts'],
  },
  {
    name: 'a failed comparison is taken for an earlier success, whoever wrote last',
    file: 'services/coordinator/src/store/committer.ts',
    find: 'const isOurs = last !== undefined && (decodeValue(last) as { change: string }).change === changeId;',
    replace: 'const isOurs = last !== undefined && changeId !== decodeValue.name;',
    tests: COORDINATORS,
  },
  {
    name: 'an unchanged value that is read back is taken for the answer that nothing was written',
    file: 'services/coordinator/src/store/committer.ts',
    find: 'this.#metrics.txnRetries.inc();',
    replace: `this.#metrics.txnRetries.inc();
      const seen = await this.#store.range({ prefix: '/last-change' }).catch(() => undefined);
      if (seen?.items[0]?.value.includes(changeId) === false) {
        const anew = JSON.stringify(txn).replaceAll(changeId, changeId + "'");
        return await this.#write({ txn: JSON.parse(anew) as TxnRequest, changeId: changeId + "'" });
      }`,
    tests: COORDINATORS,
    always: true,
  },
  {
    name: 'what is read back after a fault is taken for what was written',
    file: 'services/coordinator/src/store/committer.ts',
    find: 'this.#metrics.txnRetries.inc();',
    replace: `this.#metrics.txnRetries.inc();
      const seen = await this.#store.range({ prefix: '/last-change' }).catch(() => undefined);
      if (seen?.items[0] !== undefined) return seen.items[0].modRevision;`,
    tests: COORDINATORS,
  },
  {
    name: 'a snapshot is applied without a look at its revision',
    file: 'packages/client/src/metadata/cluster-image.ts',
    find: "    if (revision < this.#revision) return { kind: 'stale' };\n",
    replace: '',
    // Nobody who has answered a client is followed by one that knows less, unless something else is wrong as well.
    tests: ['packages/client/src/metadata/cluster-image.test.ts'],
  },
  {
    name: 'sessions end for the time in which the coordinator slept',
    file: 'services/coordinator/src/session/session-table.ts',
    find: '      session.deadlineMs += lateMs;\n',
    replace: '',
    tests: COORDINATORS,
  },
  {
    name: 'most sessions end at once',
    file: 'services/coordinator/src/session/session-table.ts',
    find: 'if (ending.length > 1 &&',
    replace: 'if (ending.length < 0 &&',
    tests: COORDINATORS,
  },
  {
    name: 'a doubtful replica is trusted',
    file: 'services/coordinator/src/controller/brokers.ts',
    find: '    if (doubt === undefined) continue;\n',
    replace: "    if (doubt !== 'missing') continue;\n",
    tests: COORDINATORS,
  },
  {
    name: 'a leader goes on in the epoch in which it has heard a doubtful replica',
    file: 'services/coordinator/src/controller/partition.ts',
    find: 'if (next.leader === NO_LEADER || next.leaderEpoch > spokeIn) return changed;',
    replace: 'if (spokeIn < Infinity) return changed;',
    tests: ['services/coordinator/src/controller/report-doubtful-replicas.test.ts'],
  },
  {
    name: 'a report of a doubtful replica counts whenever it comes',
    file: 'services/coordinator/src/controller/report-doubtful-replicas.ts',
    find: 'partitionEpochProblem(asked, reported.partitionEpoch)',
    replace: 'partitionEpochProblem(asked, Math.max(reported.partitionEpoch, partition.partitionEpoch))',
    tests: ['services/coordinator/src/controller/report-doubtful-replicas.test.ts'],
  },
  {
    name: 'a coordinator that stops says of what it was at that nothing was done',
    file: 'services/coordinator/src/coordinator.ts',
    find: 'id === this.#controller.runningId',
    replace: 'id < 0',
    // Seeds have found it, and meet it so seldom that no budget is enough.
    tests: ['services/coordinator/src/election/candidate.test.ts'],
  },
  {
    name: 'a watch goes on with what it was told last',
    file: 'packages/client/src/namespace/watch-link.ts',
    find: 'open.next = Number(revision) + 1;',
    replace: 'open.next = Number(revision);',
    tests: COORDINATORS,
  },
  {
    name: 'a watch goes on at a coordinator that does not have the changes in between',
    file: 'services/coordinator/src/namespace/watches.ts',
    find: 'from < this.oldest',
    replace: 'from < 0',
    tests: COORDINATORS,
  },
  {
    name: 'heartbeats are answered without a look at whether the lease holds',
    file: 'services/coordinator/src/coordinator.ts',
    find: '    if (!this.holds) return false;\n',
    replace: '',
    tests: COORDINATORS,
  },
  {
    name: 'heartbeats of clients are answered without a look at whether the lease holds',
    file: 'services/coordinator/src/namespace-host.ts',
    find: 'if (!this.#sessions.has(sessionId) || !this.holds) return false;',
    replace: 'if (!this.#sessions.has(sessionId)) return false;',
    tests: COORDINATORS,
  },
  {
    name: 'reads are answered without a look at whether the lease holds',
    file: 'services/coordinator/src/election/candidate.ts',
    find: 'return this.#leading?.holds === true ? this.#leading : undefined;',
    replace: 'return this.#leading;',
    tests: COORDINATORS,
  },
  {
    name: 'a lease is counted from the answer on, instead of from the question',
    file: 'services/coordinator/src/election/tenure.ts',
    find: 'this.#endsMs = Math.max(this.#endsMs, askedMs + this.#ttlMs);',
    replace: 'this.#endsMs = Math.max(this.#endsMs, clock.monotonicMs() + this.#ttlMs);',
    tests: COORDINATORS,
  },
  {
    name: 'a standby takes over with a copy that has not seen its claim',
    file: 'services/coordinator/src/election/candidate.ts',
    find: 'const hasSeen = await replica.until(() => replica.revision >= revision, { timeoutMs: CLAIM_SEEN_MS, signal });',
    replace: 'const hasSeen = revision > 0;',
    tests: COORDINATORS,
  },
  {
    name: 'what a watch tells is taken in without a look at its revision',
    file: 'services/coordinator/src/election/replica.ts',
    find: "if (this.#state !== 'follows' || revised.revision <= this.#revision) return;",
    replace: "if (this.#state !== 'follows') return;",
    tests: COORDINATORS,
    always: true,
  },
  {
    name: 'a standby does not mind that its watch is lost',
    file: 'services/coordinator/src/election/replica.ts',
    find: 'lost: (loss) => replica.#lose(lossInWords(loss)) }',
    replace: 'lost: (loss) => void lossInWords(loss) }',
    tests: COORDINATORS,
  },
  {
    name: 'a client goes back to the coordinator that it has just given up, because another one names it',
    file: 'packages/client/src/coordinator-link.ts',
    find: 'if (listed === -1 || to === this.#givenUp) return this.passOver(from);',
    replace: 'if (listed === -1) return this.passOver(from);',
    tests: COORDINATORS,
  },
  {
    name: 'sessions end while the lease is not confirmed',
    file: 'services/coordinator/src/coordinator.ts',
    find: 'if (this.#ended !== undefined || !this.#tenure.holds()) return;',
    replace: 'if (this.#ended !== undefined) return;',
    tests: COORDINATORS,
  },
  {
    name: 'a holder that is silent is taken for dead',
    file: 'services/coordinator/src/election/holder-link.ts',
    find: 'this.#refusals = failure?.nobodyListens === true ? this.#refusals + 1 : 0;',
    replace: 'this.#refusals += failure === undefined ? 0 : 1;',
    tests: COORDINATORS,
  },
  {
    name: 'a claim is put whoever has one',
    file: 'services/coordinator/src/election/claim.ts',
    find: "compare: [{ key: KEYS.controller, target: 'version', equals: 0 }],",
    replace: 'compare: [],',
    tests: COORDINATORS,
  },
  {
    name: 'heartbeats of a client session do not count',
    file: 'services/coordinator/src/namespace-host.ts',
    find: "    this.#step('heartbeat', sessionId);\n",
    replace: '',
    tests: COORDINATORS,
  },
];
