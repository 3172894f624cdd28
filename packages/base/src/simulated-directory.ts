import type { Random } from './random.ts';
import type { SimulatedFile } from './simulated-file.ts';

/** What a name stands for. */
export type SimulatedNode = SimulatedFile | SimulatedDirectory;

/** What one operation does to names, whole or not at all: each appears, stands for something else, or goes. */
type Step = ReadonlyArray<readonly [name: string, node: SimulatedNode | undefined]>;

/** How a file system treats changes of names that no sync has covered. */
export type NameOrder =
  /** A journal brings them to the disk in order: a crash leaves the first so many of them. */
  | 'ordered'
  /** Changes of different names survive independently of each other; those of one name, and of renames, in order. */
  | 'unordered';

/** A directory of the simulated disk: the names that a process sees, and those that are left when the power goes. */
export class SimulatedDirectory {
  readonly kind = 'directory';
  #entries = new Map<string, SimulatedNode>();
  #durable = new Map<string, SimulatedNode>();
  #steps: Step[] = [];

  get entries(): ReadonlyMap<string, SimulatedNode> {
    return this.#entries;
  }

  /** Those that no crash takes away. */
  get durableEntries(): ReadonlyMap<string, SimulatedNode> {
    return this.#durable;
  }

  /** Makes changes that no crash takes apart. */
  change(step: Step): void {
    apply(this.#entries, step);
    this.#steps.push(step);
  }

  sync(): void {
    this.#durable = new Map(this.#entries);
    this.#steps = [];
  }

  /** The power went: unsynced changes are left with a likelihood, here and in all directories below. */
  crash(random: Random, likelihood: number, order: NameOrder): void {
    const lost = new Set<string>();
    for (const step of this.#steps) {
      // What is left of a name's changes is what came first: a rename whose source was never made did not happen.
      const follows = order === 'ordered' ? lost.size > 0 : step.some(([name]) => lost.has(name));
      if (!follows && random.unit() < likelihood) apply(this.#durable, step);
      else for (const [name] of step) lost.add(name);
    }
    this.#steps = [];
    this.#entries = new Map(this.#durable);
    for (const node of this.#entries.values()) {
      if (node.kind === 'directory') node.crash(random, likelihood, order);
      else node.crash(likelihood);
    }
  }

  /** Bytes in all files below. */
  get usedBytes(): number {
    let bytes = 0;
    for (const node of this.#entries.values()) bytes += node.kind === 'file' ? node.size : node.usedBytes;
    return bytes;
  }
}

function apply(entries: Map<string, SimulatedNode>, step: Step): void {
  for (const [name, node] of step) {
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
  }
}
