import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBatches } from '@weir/records/read-records.ts';
import type { ReplicaLog } from '../../simulation/checks/records.ts';
import { partitionName } from '../history.ts';
import type { LoadTopic } from '../load.ts';
import { recordsIn } from './following-reader.ts';
import type { Broker } from './replicated-cluster.ts';

/** All replicas' logs, as they lie on the disks of brokers that were stopped, and where they differ. */
export interface ReplicaLogs {
  readonly logs: readonly ReplicaLog[];
  /** Of replicas that do not have the same bytes: for people. */
  readonly differences: readonly string[];
}

/**
 * Reads what stopped brokers have of a topic.
 *
 * @throws WeirError CORRUPT_MESSAGE where a log does not consist of whole batches with their CRCs
 */
export function readReplicas(brokers: readonly Broker[], topic: LoadTopic & { readonly id: string }): ReplicaLogs {
  const logs: ReplicaLog[] = [];
  const differences: string[] = [];
  for (let index = 0; index < topic.partitions; index++) {
    const partition = partitionName(topic.name, index);
    let first: { readonly replica: string; readonly bytes: Buffer } | undefined;
    for (const broker of brokers) {
      const bytes = bytesOf(join(broker.dataDirectory, 'partitions', `${topic.id}-${index}`));
      if (bytes === undefined) continue;
      logs.push({ partition, replica: broker.name, startOffset: 0, records: recordsIn(bytes) });
      if (first === undefined) first = { replica: broker.name, bytes };
      else if (!bytes.equals(first.bytes))
        differences.push(`${partition}: ${differenceOf(first, { replica: broker.name, bytes })}`);
    }
  }
  return { logs, differences };
}

/** All segments one after another; undefined without a folder. */
function bytesOf(folder: string): Buffer | undefined {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return undefined;
  }
  const segments = names.filter((name) => name.endsWith('.log')).toSorted();
  return Buffer.concat(segments.map((name) => readFileSync(join(folder, name))));
}

interface Replica {
  readonly replica: string;
  readonly bytes: Buffer;
}

function differenceOf(one: Replica, other: Replica): string {
  const [ones, others] = [[...readBatches(one.bytes)], [...readBatches(other.bytes)]];
  const at = ones.findIndex(({ bytes }, i) => !bytes.equals(others[i]?.bytes ?? Buffer.alloc(0)));
  const words = (batch = at === -1 ? undefined : ones[at]): string =>
    batch === undefined ? 'nothing' : `offset ${batch.baseOffset} of epoch ${batch.leaderEpoch}`;
  return at === -1
    ? `${other.replica} has more than ${one.replica}: ${words(others[ones.length])}`
    : `${one.replica} has ${words()}, and ${other.replica} ${words(others[at])}`;
}
