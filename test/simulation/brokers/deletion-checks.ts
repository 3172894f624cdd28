import type { BrokerMachine } from './machine.ts';
import type { ReplicaChecks } from './replica-checks.ts';

/** Records that were deleted, as a client was told, do not come back with another leader. */
export class DeletionChecks {
  readonly #machines: readonly BrokerMachine[];
  readonly #replicas: Pick<ReplicaChecks, 'mayHaveLost'>;
  readonly #violated: (what: string) => void;
  /** By partition: all below it was said to be deleted. */
  readonly #deleted = new Map<string, number>();
  /** By partition: the newest leader epoch. */
  readonly #epochs = new Map<string, number>();

  constructor(
    machines: readonly BrokerMachine[],
    replicas: Pick<ReplicaChecks, 'mayHaveLost'>,
    violated: (what: string) => void,
  ) {
    this.#machines = machines;
    this.#replicas = replicas;
    this.#violated = violated;
  }

  /** @param partition - topic/index */
  acknowledged(partition: string, start: number): void {
    this.#deleted.set(partition, Math.max(start, this.#deleted.get(partition) ?? 0));
  }

  /** Looks at the newest leaders. */
  look(): void {
    for (const machine of this.#machines) {
      for (const partition of machine.broker?.partitions.all() ?? []) {
        const { leadership, topic, key, folder } = partition;
        if (leadership === undefined) continue;
        const name = `${topic.name}/${key.index}`;
        if (leadership.epoch < (this.#epochs.get(name) ?? -1)) continue;
        this.#epochs.set(name, leadership.epoch);
        const deleted = this.#deleted.get(name) ?? 0;
        const { logStartOffset } = partition;
        if (logStartOffset >= deleted || machine.isRotten(folder) || this.#replicas.mayHaveLost(folder)) continue;
        this.#violated(
          `${name} is led by broker ${machine.id} from ${logStartOffset}, and is deleted below ${deleted}`,
        );
      }
    }
  }
}
