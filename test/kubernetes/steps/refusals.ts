import type { Step } from '../step.ts';
import { CHART, tryRun } from '../tools.ts';

/** Upgrades that would leave the metadata behind, each with what the message says. */
const REFUSED: readonly (readonly [title: string, values: string, says: string])[] = [
  ['one member of etcd in place of three', 'etcd.replicas=1', 'Set etcd.replicas=3'],
  ['SQLite in place of etcd', 'etcd.enabled=false,coordinator.replicas=1', 'nothing moves them to SQLite'],
  ['volumes of etcd of another size', 'etcd.persistence.size=4Gi', 'has volumes of 2Gi'],
];

/** Helm refuses, with the cluster before it, what would begin without the metadata that are there. */
export const refusals: Step = {
  name: 'refusals',
  title: 'upgrades that would leave the metadata behind are refused',
  async run({ release, report }) {
    const words = ['upgrade', release.name, CHART, '--namespace', release.namespace, '--reuse-values'];
    for (const [title, values, says] of REFUSED) {
      const { ok, stderr } = tryRun('helm', [...words, '--dry-run=server', '--set', values]);
      report.check(!ok && stderr.includes(says), title, ok ? 'it was taken' : stderr.trim().slice(-300));
    }
  },
};
