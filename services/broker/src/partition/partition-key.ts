import { topicId } from '@weir/base/ids.ts';
import type { TopicId } from '@weir/base/ids.ts';

/** Which partition, whatever its topic is called. */
export interface PartitionKey {
  readonly topicId: TopicId;
  readonly index: number;
}

/** The folder of a partition below `partitions/`: the id, not the name, so that a recreated topic never resumes. */
export function folderOf(key: PartitionKey): string {
  return `${key.topicId}-${key.index}`;
}

const FOLDER = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(0|[1-9]\d{0,9})$/;

/** The partition that a folder's name stands for, or undefined for another folder. */
export function keyOfFolder(name: string): PartitionKey | undefined {
  const match = FOLDER.exec(name);
  return match === null ? undefined : { topicId: topicId(match[1]!), index: Number(match[2]) };
}

const DELETED = '.deleted';

/** What a folder is renamed to before its files are removed: under this name it is never opened again. */
export function deletedNameOf(folder: string): string {
  return `${folder}${DELETED}`;
}

/** The folder that was renamed to this name; undefined for a name of another kind. */
export function folderOfDeleted(name: string): string | undefined {
  const folder = name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : '';
  return keyOfFolder(folder) === undefined ? undefined : folder;
}

/** A topic id's 16 bytes as a Latin-1 string: as a key it costs less per request than its 36 characters. */
export function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('latin1');
}

const ID_BYTES = 16;

/** `latin1` for ids one after the other, of which most are the one before. */
export class LatestId {
  readonly #bytes = new Uint8Array(ID_BYTES);
  #text = latin1(this.#bytes);

  text(bytes: Uint8Array): string {
    // From a message, where it may be any bytes.
    if (bytes.length !== ID_BYTES) return latin1(bytes);
    if (!this.#isLatest(bytes)) {
      this.#text = latin1(bytes);
      this.#bytes.set(bytes);
    }
    return this.#text;
  }

  #isLatest(bytes: Uint8Array): boolean {
    for (let i = 0; i < ID_BYTES; i++) if (bytes[i] !== this.#bytes[i]) return false;
    return true;
  }
}
