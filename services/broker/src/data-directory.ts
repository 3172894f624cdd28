import { replaceFile } from '@weir/base/disk.ts';
import type { Disk } from '@weir/base/disk.ts';
import { isUuid, uuidFromRandom } from '@weir/base/ids.ts';
import type { BrokerId, Offset } from '@weir/base/ids.ts';
import { UNSETTLED_RUNS_MAX } from '@weir/base/limits.ts';
import { readCheckpoint, writeCheckpoint } from '@weir/log/checkpoint.ts';
import { takeCleanMarker, writeCleanMarker } from '@weir/log/clean-marker.ts';
import type { World } from '@weir/runtime/world.ts';
import { OffsetsFile } from './offsets-file.ts';
import { parseObject } from './partition/partition-file.ts';

const FORMAT_VERSION = 1;
const ROOT = '.';
const META = 'meta.json';
const CHECKPOINT = 'checkpoint';
const HIGH_WATERMARKS = 'high-watermarks';

/** Who a data directory belongs to. */
export interface Identity {
  /** UUID; empty before the first registration. */
  readonly clusterId: string;
  readonly brokerId: BrokerId;
  /** UUID. It tells this disk from an empty one that took its place. */
  readonly directoryId: string;
  /** UUID of the newest run; empty before the first. */
  readonly incarnationId: string;
  /**
   * That of the newest run which is known to have registered; empty before the first. All of them together tell this disk from
   * an older copy of it: the coordinator knows the run that registered last.
   */
  readonly registeredIncarnationId: string;
  /** Those of the runs between the two: they never learned whether they were registered. */
  readonly unsettledIncarnationIds: readonly string[];
}

/** How the last run left the directory. */
export interface LastStop {
  /** The durable recovery points by folder. */
  readonly checkpoint: ReadonlyMap<string, Offset>;
  /** What was committed at least, by folder. */
  readonly highWatermarks: ReadonlyMap<string, Offset>;
  readonly cleanShutdown: boolean;
  /** The checkpoint file was there and is no good. */
  readonly checkpointDamaged: boolean;
}

/**
 * The broker's directory as a whole: `meta.json`, the checkpoint, the high watermarks and the clean marker. Partitions have folders of their
 * own below `partitions/`.
 */
export class DataDirectory {
  readonly #disk: Disk;
  readonly #path: string;
  #identity: Identity;
  readonly #checkpoint: OffsetsFile;
  readonly #highWatermarks: OffsetsFile;

  /**
   * Reads whose it is, or makes it this broker's when it is new.
   *
   * @param path for messages
   * @throws Error when it is another broker's, or a newer Weir's
   */
  constructor(disk: Disk, path: string, brokerId: BrokerId, random: World['random']) {
    this.#disk = disk;
    this.#path = path;
    this.#checkpoint = new OffsetsFile(disk, CHECKPOINT);
    this.#highWatermarks = new OffsetsFile(disk, HIGH_WATERMARKS);
    const bytes = disk.readFile(META);
    if (bytes === undefined) {
      if (disk.list('partitions') !== undefined) {
        throw new Error(
          `${path} holds partitions and no ${META}: nobody knows whose they are. Restore ${META}, ` +
            'or give the broker an empty directory',
        );
      }
      const directoryId = uuidFromRandom(random.bytes(16));
      const runs = { incarnationId: '', registeredIncarnationId: '', unsettledIncarnationIds: [] };
      this.#identity = { clusterId: '', brokerId, directoryId, ...runs };
      this.#write();
      return;
    }
    this.#identity = identityFrom(`${path}/${META}`, bytes);
    if (this.#identity.brokerId !== brokerId) {
      throw new Error(
        `${path} belongs to broker ${this.#identity.brokerId}, this is broker ${brokerId}: ` +
          `start it with --id ${this.#identity.brokerId}, or give it a data directory of its own`,
      );
    }
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** Begins a run, durably: a registration names it, and the coordinator must not know of one that the disk forgets. */
  beginRun(random: World['random']): void {
    const { incarnationId, registeredIncarnationId, unsettledIncarnationIds: unsettled } = this.#identity;
    // Whether the coordinator took the last one, only it knows.
    const isSettled = incarnationId === registeredIncarnationId;
    // One that has died so often goes on as the run before it: a copy from before the two is all that is not told from it.
    if (unsettled.length >= UNSETTLED_RUNS_MAX && !isSettled) return;
    this.#identity = {
      ...this.#identity,
      incarnationId: uuidFromRandom(random.bytes(16)),
      unsettledIncarnationIds: isSettled ? [] : [...unsettled, incarnationId],
    };
    this.#write();
  }

  /**
   * Remembers that this run has registered, and with which cluster, durably.
   *
   * @throws Error when the broker had joined another one before
   */
  registered(clusterId: string): void {
    const { incarnationId, registeredIncarnationId } = this.#identity;
    if (this.#identity.clusterId === clusterId && incarnationId === registeredIncarnationId) return;
    if (this.#identity.clusterId !== '' && this.#identity.clusterId !== clusterId) {
      throw new Error(
        `${this.#path} belongs to cluster ${this.#identity.clusterId}, the coordinator to ${clusterId}: ` +
          'point the broker at its own coordinator, or give it an empty data directory',
      );
    }
    const settled = { registeredIncarnationId: incarnationId, unsettledIncarnationIds: [] };
    this.#identity = { ...this.#identity, clusterId, ...settled };
    this.#write();
  }

  /**
   * What the last run left. The clean marker is gone, durably, when this returns: from here on only an orderly stop
   * brings it back.
   */
  takeLastStop(): LastStop {
    const cleanShutdown = takeCleanMarker(this.#disk, ROOT) !== undefined;
    const { offsets, damaged } = readCheckpoint(this.#disk, ROOT);
    // Damaged ones are none: they are found out again.
    const { offsets: highWatermarks } = readCheckpoint(this.#disk, ROOT, HIGH_WATERMARKS);
    return { checkpoint: offsets, highWatermarks, cleanShutdown, checkpointDamaged: damaged };
  }

  /** Writes the checkpoint; it is on disk when this returns. */
  writeCheckpoint(offsets: ReadonlyMap<string, Offset>): void {
    writeCheckpoint(this.#disk, ROOT, offsets);
    this.#checkpoint.supersede();
  }

  /** Writes the checkpoint in the background; see `OffsetsFile.writeSoon`. */
  writeCheckpointSoon(offsets: ReadonlyMap<string, Offset>, failed: (error: Error) => void): boolean {
    return this.#checkpoint.writeSoon(offsets, failed);
  }

  /** Writes the high watermarks; they are on disk when this returns. */
  writeHighWatermarks(offsets: ReadonlyMap<string, Offset>): void {
    writeCheckpoint(this.#disk, ROOT, offsets, HIGH_WATERMARKS);
    this.#highWatermarks.supersede();
  }

  /** Writes them in the background; see `OffsetsFile.writeSoon`. */
  writeHighWatermarksSoon(offsets: ReadonlyMap<string, Offset>, failed: (error: Error) => void): boolean {
    return this.#highWatermarks.writeSoon(offsets, failed);
  }

  /** Says that everything is synced and closed. */
  markClean(brokerEpoch: number): void {
    writeCleanMarker(this.#disk, ROOT, brokerEpoch);
  }

  #write(): void {
    const contents = `${JSON.stringify({ formatVersion: FORMAT_VERSION, ...this.#identity }, undefined, 2)}\n`;
    replaceFile(this.#disk, ROOT, META, Buffer.from(contents));
  }
}

function identityFrom(path: string, bytes: Buffer): Identity {
  const stored = parseObject(bytes) ?? {};
  const version = stored['formatVersion'];
  if (typeof version === 'number' && version > FORMAT_VERSION) {
    throw new Error(
      `${path} has format version ${version}; this Weir knows versions up to ${FORMAT_VERSION}: ` +
        'run the newer Weir that wrote it',
    );
  }
  // Directories of older Weirs know no runs.
  const { clusterId, brokerId, directoryId, incarnationId = '', registeredIncarnationId = '' } = stored;
  const { unsettledIncarnationIds = [] } = stored;
  const sound =
    typeof clusterId === 'string' &&
    typeof directoryId === 'string' &&
    isUuid(directoryId) &&
    isUuidOrEmpty(incarnationId) &&
    isUuidOrEmpty(registeredIncarnationId) &&
    areUuids(unsettledIncarnationIds);
  if (version !== FORMAT_VERSION || !sound) {
    throw new Error(`${path} is damaged: restore it, or give the broker an empty data directory`);
  }
  if (typeof brokerId !== 'number') throw new Error(`${path} names no broker: restore it`);
  const runs = { incarnationId, registeredIncarnationId, unsettledIncarnationIds };
  return { clusterId, brokerId: brokerId as BrokerId, directoryId, ...runs };
}

function areUuids(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && isUuid(one));
}

function isUuidOrEmpty(value: unknown): value is string {
  return typeof value === 'string' && (value === '' || isUuid(value));
}
