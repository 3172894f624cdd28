/** A mistake that somebody could make, and the tests that have to notice it. */
export interface Mutation {
  /** What the changed code does wrong. */
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test files from the root of the repository, of which at least one fails; or the simulation, in one of its seeds. */
  readonly tests: readonly string[] | 'simulation';
  /** Runs with every `npm test`. */
  readonly always?: true;
}

/** What durability and the metadata's safety rest on, broken one piece at a time. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'recovery takes a batch whose CRC is wrong',
    file: 'packages/log/src/segment-scan.ts',
    find: "return isValidBatchAt(this.#buffer, at, at + bytes) ? undefined : 'a batch whose header or CRC is wrong';",
    replace: 'return isValidBatchAt(this.#buffer, at, at + bytes) ? undefined : undefined;',
    tests: ['packages/log/src/recovery.test.ts'],
    always: true,
  },
  {
    name: 'recovery cuts the tail whatever the checkpoint says',
    file: 'packages/log/src/recovery.ts',
    find: 'if (good.endOffset < this.#floor) {',
    replace: 'if (good.endOffset < 0) {',
    tests: ['packages/log/src/recovery.test.ts'],
    always: true,
  },
  {
    name: 'a record counts before its sync is back',
    file: 'packages/log/src/log-writer.ts',
    find: 'this.#writtenBytes += active.bytes - before;',
    replace: 'this.#writtenBytes += active.bytes - before;\n    this.#count(this.#mark());',
    tests: ['packages/log/src/log.test.ts'],
    always: true,
  },
  {
    name: "a new segment's name is not synced into its directory",
    file: 'packages/log/src/log-folder.ts',
    find: 'try {\n    disk.syncDirectory(directory);\n  } catch',
    replace: 'try {\n    void directory;\n  } catch',
    tests: ['packages/log/src/log-model.test.ts', 'packages/log/src/log.test.ts', 'packages/log/src/recovery.test.ts'],
  },
  {
    name: "an index's entries are taken without their CRC",
    file: 'packages/log/src/index-file.ts',
    find: 'return crc32c(entries) === header.entriesCrc ? entries : undefined;',
    replace: 'return entries;',
    tests: ['packages/log/src/recovery.test.ts', 'packages/log/src/segment-index.test.ts'],
    always: true,
  },
  {
    name: 'an index is trusted although the log has another size',
    file: 'packages/log/src/index-file.ts',
    find: 'if (header.summary.bytes !== segment.bytes) return undefined;',
    replace: '',
    tests: ['packages/log/src/segment-index.test.ts'],
  },
  {
    name: "a sealed segment's summary is trusted although the next segment says otherwise",
    file: 'packages/log/src/recovery.ts',
    find: 'if (summary?.baseOffset !== base || summary.bytes !== bytes || summary.endOffset !== nextBase) return undefined;',
    replace: 'if (summary === undefined) return undefined;',
    tests: ['packages/log/src/recovery.test.ts'],
    always: true,
  },
  {
    name: 'a bad byte far below a valid batch passes for a torn tail',
    file: 'packages/log/src/recovery.ts',
    find: 'if (found === undefined) return undefined;',
    replace: 'if (found !== -1) return undefined;',
    tests: ['packages/log/src/recovery.test.ts'],
    always: true,
  },
  {
    name: 'what a dead process had written counts without a sync',
    file: 'packages/log/src/recovery.ts',
    find: '    file.syncNow();\n',
    replace: '',
    tests: ['packages/log/src/recovery.test.ts'],
  },
  {
    name: 'a segment is sealed without a sync',
    file: 'packages/log/src/log-writer.ts',
    find: '    this.#syncNow();\n    const next = sealSegment',
    replace: '    const next = sealSegment',
    tests: [
      'packages/log/src/log-model.test.ts',
      'packages/log/src/log.test.ts',
      'packages/log/src/journal/journal.test.ts',
    ],
  },
  {
    name: 'a batch that is in the log is appended again',
    file: 'packages/log/src/producers/admission.ts',
    find: 'if (same !== undefined) {',
    replace: 'if (same !== undefined && first < 0) {',
    tests: ['packages/log/src/producers/producer-states.test.ts'],
  },
  {
    name: 'a snapshot of producers is not durable when the batches before it may go',
    file: 'packages/log/src/producers/log-producers.ts',
    find: '{ sync: true }',
    replace: '{ sync: false }',
    tests: ['packages/log/src/producers/log-producers.test.ts', 'packages/log/src/log-model.test.ts'],
  },
  {
    name: 'a snapshot knows producers whose batches are not written',
    file: 'packages/log/src/producers/log-producers.ts',
    find: 'if (lastOffset >= writtenEnd) break;',
    replace: '',
    tests: ['packages/log/src/producers/log-producers.test.ts', 'packages/log/src/log-model.test.ts'],
  },
  {
    name: 'a snapshot beyond the end stays when the torn tail is cut',
    file: 'packages/log/src/recovery.ts',
    find: 'this.#snapshots.removeBeyond(scan.good.endOffset);',
    replace: '',
    tests: ['packages/log/src/producers/log-producers.test.ts'],
  },
  {
    name: 'an epoch begins while records before it are not durable',
    file: 'packages/log/src/log-writer.ts',
    find: "this.writeAllAndSync();\n    this.#guard('append', () => epochs.begin",
    replace: "this.#guard('append', () => epochs.begin",
    tests: ['packages/log/src/log.test.ts'],
  },
  {
    name: 'a failed sync leaves behind what it did not cover',
    file: 'packages/log/src/log-writer.ts',
    find: "if (this.#parts.config.flush === 'commit') cutUnsynced(this.#parts, this.#synced);",
    replace: '',
    tests: ['packages/log/src/log.test.ts', 'packages/log/src/log-faults.test.ts'],
  },
  {
    name: 'a failed sync is taken for one that covers',
    file: 'packages/log/src/log-writer.ts',
    find: 'if (error !== undefined) return this.#syncFailed(error);\n      this.#events.synced',
    replace: 'this.#events.synced',
    tests: ['packages/log/src/log.test.ts', 'packages/log/src/log-faults.test.ts'],
  },
  {
    name: 'the clean-shutdown marker stays while the logs are open',
    file: 'packages/log/src/clean-marker.ts',
    find: '  disk.removeFile(path);\n  disk.syncDirectory(directory);\n',
    replace: '',
    tests: ['packages/log/src/stored-file.test.ts'],
  },
  {
    name: 'the removal of the clean-shutdown marker is not durable',
    file: 'packages/log/src/clean-marker.ts',
    find: '  disk.syncDirectory(directory);\n',
    replace: '',
    tests: ['packages/log/src/stored-file.test.ts'],
  },
  {
    name: 'a small file is taken without its CRC',
    file: 'packages/log/src/stored-file.ts',
    find: 'if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return undefined;',
    replace: '',
    tests: ['packages/log/src/stored-file.test.ts'],
  },
  {
    name: 'a small file is replaced before its contents are synced',
    file: 'packages/base/src/disk.ts',
    find: 'file.syncNow();',
    replace: '',
    tests: ['packages/base/src/disk.test.ts', 'packages/log/src/stored-file.test.ts'],
  },
  {
    name: 'a journaled group is not synced before it counts',
    file: 'packages/log/src/journal/journal.ts',
    find: 'current.file.sync((error) => this.#synced(error, this.#clock.monotonicMs() - startedMs));',
    replace: 'this.#synced(undefined, startedMs);',
    tests: ['packages/log/src/journal/journal.test.ts'],
  },
  {
    name: "a journal file goes before the logs' own files are synced",
    file: 'packages/log/src/log-writer.ts',
    find: '    if (this.#settled.end >= end ||',
    replace: '    if (end >= 0 ||',
    tests: ['packages/log/src/journal/journal.test.ts'],
  },
  {
    name: "a journal frame's batches are put back without a look at them",
    file: 'packages/log/src/journal/journal-frame.ts',
    find: 'if (!isGroup(batches, group)) return undefined;',
    replace: '',
    tests: ['packages/log/src/journal/journal.test.ts', 'packages/log/src/log-model.test.ts'],
  },
  {
    name: 'a bad journal frame in front of a good one passes for torn',
    file: 'packages/log/src/journal/replay-journal.ts',
    find: 'this.note(this.#doubtful);',
    replace: '',
    tests: ['packages/log/src/journal/journal.test.ts'],
  },
  {
    name: 'a journal file that is missing is not missed',
    file: 'packages/log/src/journal/replay-journal.ts',
    find: 'if (number !== first + i) replay.note(`${journalPath(first + i)} is missing`);',
    replace: '',
    tests: ['packages/log/src/journal/journal.test.ts'],
  },
  {
    name: 'what the journal gave back is not put into the logs',
    file: 'packages/log/src/journal/replay-journal.ts',
    find: 'target.writeAt(position, batches);',
    replace: '',
    tests: ['packages/log/src/journal/journal.test.ts'],
  },
  {
    name: 'a batch is read from the disk without its CRC',
    file: 'packages/log/src/batch-run.ts',
    find: "if (!isValidBatchAt(chunk, at, at + bytes)) return 'bad';",
    replace: '',
    tests: ['packages/log/src/recovery.test.ts', 'packages/log/src/log.test.ts'],
  },
  {
    name: 'a coordinator writes without a look at who is the controller',
    file: 'services/coordinator/src/controller/transaction.ts',
    find: "    { key: KEYS.controller, target: 'createRevision', equals: authority.controllerRevision },\n",
    replace: '',
    tests: 'simulation',
    always: true,
  },
  {
    name: 'a transaction does not mind when the one before it is not the newest',
    file: 'services/coordinator/src/controller/transaction.ts',
    find: "    { key: KEYS.lastChange, target: 'modRevision', equals: image.lastChange },\n",
    replace: '',
    tests: 'simulation',
    always: true,
  },
  {
    name: 'a broker gets producer ids under a registration that is over',
    file: 'services/coordinator/src/controller/producer-ids.ts',
    find: 'if (image.sessionOf(brokerId)?.revision !== brokerEpoch) {',
    replace: 'if (image.sessionOf(brokerId) === undefined) {',
    tests: 'simulation',
    always: true,
  },
  {
    name: 'a broker stays in sync under a registration that is over',
    file: 'services/coordinator/src/controller/partition.ts',
    find: 'brokers.active(broker)?.epoch === epoch);',
    replace: 'brokers.active(broker) !== undefined);',
    tests: 'simulation',
    always: true,
  },
  {
    name: 'a failed comparison is taken for an earlier success, whoever wrote last',
    file: 'services/coordinator/src/store/committer.ts',
    find: 'if (last !== undefined && (decodeValue(last) as { change: string }).change === changeId) return last.modRevision;',
    replace: 'if (last !== undefined && changeId !== decodeValue.name) return last.modRevision;',
    tests: 'simulation',
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
    tests: 'simulation',
    always: true,
  },
  {
    name: 'what is read back after a fault is taken for what was written',
    file: 'services/coordinator/src/store/committer.ts',
    find: 'this.#metrics.txnRetries.inc();',
    replace: `this.#metrics.txnRetries.inc();
      const seen = await this.#store.range({ prefix: '/last-change' }).catch(() => undefined);
      if (seen?.items[0] !== undefined) return seen.items[0].modRevision;`,
    tests: 'simulation',
  },
  {
    name: 'a snapshot is applied without a look at its revision',
    file: 'packages/client/src/metadata/cluster-image.ts',
    find: "    if (revision < this.#revision) return { kind: 'stale' };\n",
    replace: '',
    tests: 'simulation',
    always: true,
  },
  {
    name: 'sessions end for the time in which the coordinator slept',
    file: 'services/coordinator/src/session/session-table.ts',
    find: '      session.deadlineMs += lateMs;\n',
    replace: '',
    tests: 'simulation',
  },
  {
    name: 'most sessions end at once',
    file: 'services/coordinator/src/session/session-table.ts',
    find: 'if (ending.length > 1 &&',
    replace: 'if (ending.length < 0 &&',
    tests: 'simulation',
  },
  {
    name: 'a doubtful replica is trusted',
    file: 'services/coordinator/src/controller/brokers.ts',
    find: '    if (doubt === undefined) continue;\n',
    replace: "    if (doubt !== 'missing') continue;\n",
    tests: 'simulation',
  },
  {
    name: 'a coordinator that stops says of what it was at that nothing was done',
    file: 'services/coordinator/src/coordinator.ts',
    find: 'id === this.#controller.runningId',
    replace: 'id < 0',
    tests: 'simulation',
  },
  {
    name: 'a watch goes on with what it was told last',
    file: 'packages/client/src/namespace/watch-link.ts',
    find: 'open.next = Number(revision) + 1;',
    replace: 'open.next = Number(revision);',
    tests: 'simulation',
  },
  {
    name: 'a watch goes on at a coordinator that does not have the changes in between',
    file: 'services/coordinator/src/namespace/watches.ts',
    find: 'from < this.oldest',
    replace: 'from < 0',
    tests: 'simulation',
  },
  {
    name: 'heartbeats of a client session do not count',
    file: 'services/coordinator/src/namespace-host.ts',
    find: "    this.#step('heartbeat', sessionId);\n",
    replace: '',
    tests: 'simulation',
  },
];
