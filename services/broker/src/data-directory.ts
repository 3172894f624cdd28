import { replaceFile } from '@weir/base/disk.ts';
import type { Disk, DiskFile } from '@weir/base/disk.ts';
import { messageOf } from '@weir/base/errors.ts';
import { isUuid, uuidFromRandom } from '@weir/base/ids.ts';
import type { BrokerId, Offset } from '@weir/base/ids.ts';
import { encodeCheckpoint, readCheckpoint, writeCheckpoint } from '@weir/log/checkpoint.ts';
import { takeCleanMarker, writeCleanMarker } from '@weir/log/clean-marker.ts';
import type { World } from '@weir/runtime/world.ts';
import { parseObject } from './partition/partition-file.ts';

const FORMAT_VERSION = 1;
const ROOT = '.';
const META = 'meta.json';

/** Who a data directory belongs to. */
export interface Identity {
  /** UUID; empty before the first registration. */
  readonly clusterId: string;
  readonly brokerId: BrokerId;
  /** UUID. It tells this disk from an empty one that took its place. */
  readonly directoryId: string;
}

/** How the last run left the directory. */
export interface LastStop {
  /** The durable recovery points by folder. */
  readonly checkpoint: ReadonlyMap<string, Offset>;
  readonly cleanShutdown: boolean;
  /** The checkpoint file was there and is no good. */
  readonly checkpointDamaged: boolean;
}

/**
 * The broker's directory as a whole: `meta.json`, the checkpoint and the clean marker. Partitions have folders of their
 * own below `partitions/`.
 */
export class DataDirectory {
  readonly #disk: Disk;
  readonly #path: string;
  #identity: Identity;
  /** A checkpoint is on its way to the disk. */
  #writing = false;
  /** Another one with newer points was written meanwhile. */
  #superseded = false;

  /**
   * Reads whose it is, or makes it this broker's when it is new.
   *
   * @param path for messages
   * @throws Error when it is another broker's, or a newer Weir's
   */
  constructor(disk: Disk, path: string, brokerId: BrokerId, random: World['random']) {
    this.#disk = disk;
    this.#path = path;
    const bytes = disk.readFile(META);
    if (bytes === undefined) {
      if (disk.list('partitions') !== undefined) {
        throw new Error(
          `${path} holds partitions and no ${META}: nobody knows whose they are. Restore ${META}, ` +
            'or give the broker an empty directory',
        );
      }
      this.#identity = { clusterId: '', brokerId, directoryId: uuidFromRandom(random.bytes(16)) };
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

  /**
   * Remembers the cluster that the broker has joined, durably.
   *
   * @throws Error when it had joined another one before
   */
  join(clusterId: string): void {
    if (this.#identity.clusterId === clusterId) return;
    if (this.#identity.clusterId !== '') {
      throw new Error(
        `${this.#path} belongs to cluster ${this.#identity.clusterId}, the coordinator to ${clusterId}: ` +
          'point the broker at its own coordinator, or give it an empty data directory',
      );
    }
    this.#identity = { ...this.#identity, clusterId };
    this.#write();
  }

  /**
   * What the last run left. The clean marker is gone, durably, when this returns: from here on only an orderly stop
   * brings it back.
   */
  takeLastStop(): LastStop {
    const cleanShutdown = takeCleanMarker(this.#disk, ROOT) !== undefined;
    const { offsets, damaged } = readCheckpoint(this.#disk, ROOT);
    return { checkpoint: offsets, cleanShutdown, checkpointDamaged: damaged };
  }

  /** Writes the checkpoint; it is on disk when this returns. */
  writeCheckpoint(offsets: ReadonlyMap<string, Offset>): void {
    writeCheckpoint(this.#disk, ROOT, offsets);
    this.#superseded = this.#writing;
  }

  /**
   * Writes the checkpoint with the loop free meanwhile. That the new file has taken the place of the old one may be
   * forgotten in a crash: the old one is as true, only older.
   *
   * @returns false when the one before is still on its way: then this one is not written
   */
  writeCheckpointSoon(offsets: ReadonlyMap<string, Offset>, failed: (error: Error) => void): boolean {
    // A slow disk gets the next one when it is done with this one.
    if (this.#writing) return false;
    const temporary = 'checkpoint.soon';
    let opened: DiskFile | undefined;
    try {
      this.#disk.removeFile(temporary);
      const file = this.#disk.open(temporary, 'create');
      opened = file;
      file.append([encodeCheckpoint(offsets)]);
      this.#writing = true;
      file.sync((error) => {
        this.#writing = false;
        file.close();
        try {
          if (error !== undefined) throw error;
          if (this.#superseded) this.#disk.removeFile(temporary);
          else this.#disk.rename(temporary, 'checkpoint');
        } catch (thrown) {
          failed(asError(thrown));
        } finally {
          this.#superseded = false;
        }
      });
    } catch (thrown) {
      this.#writing = false;
      opened?.close();
      failed(asError(thrown));
    }
    return true;
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
  const { clusterId, brokerId, directoryId } = stored;
  const sound = typeof clusterId === 'string' && typeof directoryId === 'string' && isUuid(directoryId);
  if (version !== FORMAT_VERSION || !sound) {
    throw new Error(`${path} is damaged: restore it, or give the broker an empty data directory`);
  }
  if (typeof brokerId !== 'number') throw new Error(`${path} names no broker: restore it`);
  return { clusterId, brokerId: brokerId as BrokerId, directoryId };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown));
}
