import { present } from '@weir/base/assert.ts';
import type { Namespace } from './namespace.ts';
import type { NamespaceChange, NodeRecord } from './node.ts';
import { parentOf } from '@weir/base/tree-path.ts';

/**
 * What operations of one transaction make of the namespace, before any of it is written: each sees what those before it
 * did. Of each node only what it comes to in the end is written, since a transaction writes no key twice.
 */
export class Draft {
  readonly #namespace: Namespace;
  /** Touched nodes as they would be; undefined: absent. */
  readonly #nodes = new Map<string, NodeRecord | undefined>();
  readonly #creations = new Map<string, number>();
  readonly #childCounts = new Map<string, number>();
  #bytes = 0;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  /** By how much all data grows. */
  get bytes(): number {
    return this.#bytes;
  }

  node(path: string): NodeRecord | undefined {
    return this.#nodes.has(path) ? this.#nodes.get(path) : this.#namespace.record(path);
  }

  childCount(path: string): number {
    return this.#childCounts.get(path) ?? this.#namespace.childCount(path);
  }

  creations(path: string): number {
    return this.#creations.get(path) ?? this.#namespace.creations(path);
  }

  create(node: NodeRecord): void {
    const parent = parentOf(node.path);
    this.#nodes.set(node.path, node);
    this.#creations.set(parent, this.creations(parent) + 1);
    this.#childCounts.set(parent, this.childCount(parent) + 1);
    this.#bytes += node.data.length;
  }

  set(path: string, data: Uint8Array): void {
    const node = present(this.node(path), `${path} is there`);
    this.#nodes.set(path, { ...node, data, version: node.version + 1 });
    this.#bytes += data.length - node.data.length;
  }

  delete(path: string): void {
    const node = present(this.node(path), `${path} is there`);
    const parent = parentOf(path);
    this.#nodes.set(path, undefined);
    this.#creations.set(path, 0);
    this.#childCounts.set(parent, this.childCount(parent) - 1);
    this.#bytes -= node.data.length;
  }

  changes(): NamespaceChange[] {
    const changes: NamespaceChange[] = [];
    for (const [path, node] of this.#nodes) {
      if (node !== undefined) changes.push({ kind: 'node', node });
      else if (this.#namespace.has(path)) changes.push({ kind: 'nodeGone', path });
    }
    for (const [path, count] of this.#creations) {
      if (count !== this.#namespace.creations(path)) changes.push({ kind: 'nodeCreations', path, count });
    }
    return changes;
  }
}
