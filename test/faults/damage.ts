import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '@weir/base/random.ts';

/** A way to spoil a data directory. */
export interface Damage {
  /** The kind, for the table. */
  readonly what: string;
  /** File and place. */
  readonly exactly: string;
  /** From the data directory. */
  readonly path: string;
  apply(directory: string): void;
}

/** The fields in the header of a record batch, with their first byte and the first one behind them. */
const HEADER_FIELDS = {
  'base offset': [0, 8],
  length: [8, 12],
  'leader epoch': [12, 16],
  magic: [16, 17],
  crc: [17, 21],
  attributes: [21, 23],
  'last offset delta': [23, 27],
  timestamps: [27, 43],
  producer: [43, 57],
  count: [57, 61],
} as const;
const HEADER_BYTES = 61;

/** Where the batches of a segment begin. @throws Error when they do not fill the file */
export function batchPositions(bytes: Buffer): number[] {
  const positions: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    positions.push(at);
    at += 12 + bytes.readInt32BE(at + 8);
  }
  if (at !== bytes.length) throw new Error(`the batches end at ${at}, the file at ${bytes.length}`);
  return positions;
}

/**
 * Every kind of damage to a data directory with one partition of several segments.
 *
 * @param folder the partition's, from the data directory
 * @param times how often those at random places come
 */
export function damagesOf(directory: string, folder: string, random: Random, times: number): Damage[] {
  const damages: Damage[] = [];
  const segments = namesIn(directory, folder, '.log');
  const active = segments.at(-1)!;
  const sealed = segments.at(-2)!;
  for (const [kind, path] of [
    ['a sealed segment', sealed],
    ['the active segment', active],
  ] as const) {
    const bytes = readFileSync(join(directory, path));
    const positions = batchPositions(bytes);
    const batch = (): number => positions[Math.floor(random.unit() * positions.length)]!;
    for (const [field, [from, to]] of Object.entries(HEADER_FIELDS)) {
      damages.push(flip(`${kind}: ${field}`, path, batch() + from, to - from, random));
    }
    const last = positions.at(-1)!;
    damages.push(flip(`${kind}: last batch`, path, last + HEADER_BYTES, bytes.length - last - HEADER_BYTES, random));
    for (let i = 0; i < times; i++) {
      const from = positions[Math.floor(random.unit() * (positions.length - 1))]! + HEADER_BYTES;
      damages.push(flip(`${kind}: body`, path, from, positions.find((at) => at > from)! - from, random));
      damages.push(cut(`${kind}: cut`, path, Math.floor(random.unit() * bytes.length)));
    }
    damages.push(cut(`${kind}: cut behind a batch`, path, positions[Math.floor(positions.length / 2)]!));
    damages.push(cut(`${kind}: emptied`, path, 0));
    damages.push(zeroed(`${kind}: a block of zeros`, path, Math.floor((random.unit() * bytes.length) / 4096) * 4096));
    damages.push(removed(`${kind}: removed`, path));
  }
  damages.push(removed('the first segment: removed', segments[0]!));
  const files = [
    ...namesIn(directory, folder, '.index').slice(-1),
    ...namesIn(directory, folder, '.timeindex').slice(-1),
    ...namesIn(directory, folder, '.index').slice(0, 1),
    ...namesIn(directory, folder, '.timeindex').slice(0, 1),
    ...namesIn(directory, folder, '.snapshot').slice(-1),
    ...namesIn(directory, folder, '.snapshot').slice(0, 1),
    ...namesIn(directory, join('broker', 'journal'), ''),
    join(folder, 'leader-epochs'),
    join(folder, 'partition.json'),
    join('broker', 'checkpoint'),
    join('broker', 'clean-shutdown'),
    join('broker', 'meta.json'),
    join('coordinator', 'metadata.db'),
  ];
  for (const path of new Set(files)) {
    if (!existsSync(join(directory, path))) continue;
    const { length } = readFileSync(join(directory, path));
    const what = shortName(path);
    if (length > 0) for (let i = 0; i < times; i++) damages.push(flip(`${what}: flipped`, path, 0, length, random));
    if (length > 1) damages.push(cut(`${what}: cut`, path, 1 + Math.floor(random.unit() * (length - 1))));
    damages.push(cut(`${what}: emptied`, path, 0));
    damages.push(removed(`${what}: removed`, path));
  }
  damages.push(removed('the partition: folder removed', folder));
  return damages;
}

function namesIn(directory: string, folder: string, ending: string): string[] {
  if (!existsSync(join(directory, folder))) return [];
  const names = readdirSync(join(directory, folder)).filter((name) => name.endsWith(ending));
  return names.toSorted().map((name) => join(folder, name));
}

function shortName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/^\d{20}/, '');
  return name.startsWith('.') ? `a ${name.slice(1)} file` : name;
}

function flip(what: string, path: string, from: number, length: number, random: Random): Damage {
  const at = from + Math.floor(random.unit() * length);
  const bit = Math.floor(random.unit() * 8);
  return {
    what,
    exactly: `bit ${bit} of byte ${at} of ${path}`,
    path,
    apply(directory) {
      const bytes = readFileSync(join(directory, path));
      bytes[at]! ^= 1 << bit;
      writeFileSync(join(directory, path), bytes);
    },
  };
}

function cut(what: string, path: string, size: number): Damage {
  return {
    what,
    exactly: `${path} cut to ${size} bytes`,
    path,
    apply: (directory) => truncateSync(join(directory, path), size),
  };
}

function zeroed(what: string, path: string, at: number): Damage {
  return {
    what,
    exactly: `4096 zeros at byte ${at} of ${path}`,
    path,
    apply(directory) {
      const bytes = readFileSync(join(directory, path));
      bytes.fill(0, at, at + 4096);
      writeFileSync(join(directory, path), bytes);
    },
  };
}

function removed(what: string, path: string): Damage {
  return {
    what,
    exactly: `${path} removed`,
    path,
    apply: (directory) => rmSync(join(directory, path), { recursive: true }),
  };
}
