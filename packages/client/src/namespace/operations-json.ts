import { bytesOfBase64 } from '@weir/base/base64.ts';
import { NODE_OPERATIONS_MAX } from '@weir/base/limits.ts';
import type { TreeOperation } from './namespace-client.ts';

/** What each kind of operation has besides its kind and path. */
const FIELDS: Readonly<Record<TreeOperation['kind'], readonly string[]>> = {
  create: ['data', 'encoding', 'ephemeral', 'sequential'],
  set: ['data', 'encoding', 'version'],
  delete: ['version'],
  check: ['version'],
};
const VERSION_MAX = 0xffff_ffff;

/**
 * The operations of a write from JSON, as HTTP and the command line have it: an array of `{kind, path, …}`.
 *
 * @returns the operations, or all that is wrong, in words
 */
export function operationsFromJson(
  value: unknown,
): { readonly operations: readonly TreeOperation[] } | { readonly problems: readonly string[] } {
  if (!Array.isArray(value) || value.length === 0) return { problems: ['it is not an array of operations'] };
  if (value.length > NODE_OPERATIONS_MAX) {
    return { problems: [`a write has at most ${NODE_OPERATIONS_MAX} operations, not ${value.length}`] };
  }
  const problems = value.flatMap((operation: unknown, index) =>
    operationProblems(operation).map((problem) => `operation ${index}: ${problem}`),
  );
  return problems.length > 0 ? { problems } : { operations: (value as OperationJson[]).map(operationOf) };
}

/** An operation that fits. */
interface OperationJson {
  readonly kind: TreeOperation['kind'];
  readonly path: string;
  readonly data?: string;
  readonly encoding?: 'text' | 'base64';
  readonly ephemeral?: boolean;
  readonly sequential?: boolean;
  readonly version?: number;
}

function operationProblems(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['it is not an object'];
  const operation = value as Readonly<Record<string, unknown>>;
  const { kind, path, data, encoding, version } = operation;
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) {
    return [`"kind" is one of ${Object.keys(FIELDS).join(', ')}`];
  }
  const fields = FIELDS[kind as TreeOperation['kind']];
  const problems: string[] = [];
  for (const name of Object.keys(operation)) {
    if (name === 'kind' || name === 'path' || fields.includes(name)) continue;
    problems.push(`"${name}" is unknown: a ${kind} has kind, path, ${fields.join(', ')}`);
  }
  if (typeof path !== 'string') problems.push('"path" is not a string');
  if (data !== undefined && typeof data !== 'string') problems.push('"data" is not a string');
  if (kind === 'set' && data === undefined) problems.push('"data" is missing');
  if (encoding !== undefined && encoding !== 'text' && encoding !== 'base64') {
    problems.push('"encoding" is text or base64');
  }
  if (encoding === 'base64' && typeof data === 'string' && bytesOfBase64(data) === undefined) {
    problems.push('"data" is not base64, as its "encoding" says');
  }
  for (const name of ['ephemeral', 'sequential']) {
    if (operation[name] !== undefined && typeof operation[name] !== 'boolean')
      problems.push(`"${name}" is not a boolean`);
  }
  const isVersion = Number.isInteger(version) && (version as number) >= 0 && (version as number) <= VERSION_MAX;
  if (version !== undefined && !isVersion) problems.push(`"version" is not a whole number from 0 to ${VERSION_MAX}`);
  return problems;
}

function operationOf({ kind, path, version, ...rest }: OperationJson): TreeOperation {
  const expected = version === undefined ? {} : { version };
  switch (kind) {
    case 'create': {
      const { ephemeral = false, sequential = false } = rest;
      return { kind, path, data: dataOf(rest), ephemeral, sequential };
    }
    case 'set':
      return { kind, path, data: dataOf(rest), ...expected };
    case 'delete':
    case 'check':
      return { kind, path, ...expected };
  }
}

function dataOf({ data = '', encoding = 'text' }: Pick<OperationJson, 'data' | 'encoding'>): Uint8Array {
  return encoding === 'base64' ? bytesOfBase64(data)! : Buffer.from(data);
}
