import { replaceFile } from '@weir/base/disk.ts';
import type { Disk } from '@weir/base/disk.ts';
import type { FlushPolicy } from './topic-settings.ts';

const FORMAT_VERSION = 1;
/** Its name. */
export const PARTITION_FILE = 'partition.json';

/** What a partition's folder says about itself, for the time before the metadata is there. */
export interface PartitionFile {
  /** The topic's name, for people and labels. */
  readonly topic: string;
  /** The topic's configs as the metadata had them. */
  readonly configs: Readonly<Record<string, string>>;
  /**
   * How the records were written since the folder was opened last. Under `interval` an unclean end may have lost some
   * that counted (R9 in docs/INVARIANTS.md).
   */
  readonly flush: FlushPolicy;
}

/**
 * Writes the file of a folder that is being made. Its name is durable with the folder's other names, later; one that a
 * crash has torn is none (see `readPartitionFile`).
 */
export function writeNewPartitionFile(disk: Disk, directory: string, file: PartitionFile): void {
  const opened = disk.open(`${directory}/${PARTITION_FILE}`, 'create');
  try {
    opened.append([encode(file)]);
    opened.syncNow();
  } finally {
    opened.close();
  }
}

/** Replaces the file, durably. */
export function writePartitionFile(disk: Disk, directory: string, file: PartitionFile): void {
  replaceFile(disk, directory, PARTITION_FILE, encode(file));
}

function encode(file: PartitionFile): Buffer {
  return Buffer.from(`${JSON.stringify({ formatVersion: FORMAT_VERSION, ...file })}\n`);
}

/**
 * Reads it; undefined when it is missing or damaged.
 *
 * @throws Error when a newer Weir wrote it
 */
export function readPartitionFile(disk: Disk, directory: string): PartitionFile | undefined {
  const path = `${directory}/${PARTITION_FILE}`;
  const stored = parseObject(disk.readFile(path));
  if (stored === undefined) return undefined;
  const { formatVersion, topic, configs, flush } = stored;
  if (typeof formatVersion === 'number' && formatVersion > FORMAT_VERSION) {
    throw new Error(
      `${path} has format version ${formatVersion}; this Weir knows versions up to ${FORMAT_VERSION}: ` +
        'run the newer Weir that wrote it',
    );
  }
  if (typeof topic !== 'string' || (flush !== 'commit' && flush !== 'interval')) return undefined;
  if (typeof configs !== 'object' || configs === null) return undefined;
  return { topic, configs: configs as Record<string, string>, flush };
}

/** A JSON object that has not been looked at. */
export type StoredObject = { readonly [name in string]?: unknown };

/** What a small JSON file holds, or undefined when there is no object in it. */
export function parseObject(bytes: Buffer | undefined): StoredObject | undefined {
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
