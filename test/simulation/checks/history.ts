import type { AppliedTxn } from '../engine/store.ts';

/** A value as the coordinators store it, read without their code. */
export type Stored = Readonly<Record<string, any>>;

/** What a transaction did to a key. */
export interface KeyWrite {
  readonly key: string;
  readonly before: Stored | undefined;
  readonly after: Stored | undefined;
}

/** A value and the revision that wrote it. */
interface Version {
  readonly revision: number;
  readonly value: Stored | undefined;
}

/** Everything that the store ever held: what followers know is compared with it, at the revision they say they know. */
export class History {
  readonly #versions = new Map<string, Version[]>();
  /** Keys by their first component. */
  readonly #keys = new Map<string, string[]>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Takes in a transaction; tells what it changed. */
  apply({ request, result }: AppliedTxn): KeyWrite[] {
    const writes: KeyWrite[] = [];
    if (result.revision === this.#revision) return writes;
    this.#revision = result.revision;
    for (const operation of result.succeeded ? request.success : (request.failure ?? [])) {
      const { key } = operation;
      if (operation.kind === 'get') continue;
      const before = this.now(key);
      const after = operation.kind === 'put' ? (JSON.parse(operation.value) as Stored) : undefined;
      if (before === undefined && after === undefined) continue;
      const versions = this.#versions.get(key) ?? this.#begin(key);
      versions.push({ revision: this.#revision, value: after });
      writes.push({ key, before, after });
    }
    return writes;
  }

  now(key: string): Stored | undefined {
    return this.#versions.get(key)?.at(-1)?.value;
  }

  /** A key's value at a revision. */
  at(key: string, revision: number): Stored | undefined {
    return this.#versionAt(key, revision)?.value;
  }

  /** The revision of the write that a key's value at a revision comes from; 0 when there is none. */
  writtenAt(key: string, revision: number): number {
    return this.#versionAt(key, revision)?.revision ?? 0;
  }

  /** Every value that a key had, with the revision that wrote it. */
  versionsOf(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  /** Keys with a prefix that are there at a revision, with the rest of their names. */
  *under(prefix: string, revision = this.#revision): Iterable<readonly [rest: string, value: Stored]> {
    for (const key of this.#keys.get(prefix.split('/')[1]!) ?? []) {
      if (!key.startsWith(prefix)) continue;
      const value = this.at(key, revision);
      if (value !== undefined) yield [key.slice(prefix.length), value];
    }
  }

  /** The partitions of topics that there are, as [topic id, index, value]. */
  *partitions(revision = this.#revision): Iterable<readonly [topicId: string, index: number, value: Stored]> {
    for (const [, { id, partitionCount }] of this.under('/topics/', revision)) {
      for (let index = 0; index < partitionCount; index++) {
        const value = this.at(partitionKey(id, index), revision);
        if (value !== undefined) yield [id, index, value];
      }
    }
  }

  /** The brokers whose session lives, with the revision of their registration. */
  activeBrokers(revision = this.#revision): Map<number, number> {
    const active = new Map<number, number>();
    for (const [id, { brokerId }] of this.under('/sessions/', revision)) {
      active.set(brokerId as number, this.writtenAt(`/sessions/${id}`, revision));
    }
    return active;
  }

  #begin(key: string): Version[] {
    const versions: Version[] = [];
    this.#versions.set(key, versions);
    const root = key.split('/')[1]!;
    const keys = this.#keys.get(root) ?? [];
    keys.push(key);
    this.#keys.set(root, keys);
    return versions;
  }

  #versionAt(key: string, revision: number): Version | undefined {
    const versions = this.#versions.get(key) ?? [];
    for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.revision <= revision) return versions[i];
    return undefined;
  }
}

/** The key of one partition. */
export function partitionKey(topicId: string, index: number): string {
  return `/partitions/${topicId}/${String(index).padStart(5, '0')}`;
}
