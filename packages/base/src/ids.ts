import { assert, violated } from './assert.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A record's place in its partition, from 0. A number: 2^53 records are more than a partition ever holds. */
export type Offset = Branded<number, 'Offset'>;
/** Counts a partition's leaders; record batches carry the epoch that they were appended in. */
export type LeaderEpoch = Branded<number, 'LeaderEpoch'>;
/** A broker's id, 0 to 2^31 - 1. */
export type BrokerId = Branded<number, 'BrokerId'>;
/** A topic's UUID in its 36-character form. A topic created again under the same name has another. */
export type TopicId = Branded<string, 'TopicId'>;
/** A revision of the metadata store. Numbers: 2^53 transactions are centuries of them. */
export type Revision = Branded<number, 'Revision'>;
/** A lease of the metadata store: a 64-bit number in decimal. */
export type LeaseId = Branded<string, 'LeaseId'>;

/** @throws InvariantViolation when it is not a safe integer from 0 */
export function offset(value: number): Offset {
  if (!(Number.isSafeInteger(value) && value >= 0)) violated(`not an offset: ${value}`);
  return value as Offset;
}

/** @throws InvariantViolation when it is not a 32-bit integer from 0 */
export function leaderEpoch(value: number): LeaderEpoch {
  if (!(Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff)) violated(`not a leader epoch: ${value}`);
  return value as LeaderEpoch;
}

/** @throws InvariantViolation when it is not a 32-bit integer from 0 */
export function brokerId(value: number): BrokerId {
  if (!(Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff)) violated(`not a broker id: ${value}`);
  return value as BrokerId;
}

/** @throws InvariantViolation when it is not a safe integer from 0 */
export function revision(value: number): Revision {
  if (!(Number.isSafeInteger(value) && value >= 0)) violated(`not a revision: ${value}`);
  return value as Revision;
}

/** @throws InvariantViolation when it is not a whole number in decimal */
export function leaseId(value: bigint | number | string): LeaseId {
  const text = String(value);
  assert(/^\d{1,19}$/.test(text), `not a lease id: ${text}`);
  return text as LeaseId;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** @throws InvariantViolation when it is not a UUID in lower case */
export function topicId(value: string): TopicId {
  assert(UUID.test(value), `not a topic id: ${value}`);
  return value as TopicId;
}

/** Whether a text is a UUID in lower case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** A UUID's 16 bytes as 36 characters. */
export function uuidFromBytes(bytes: Uint8Array): string {
  assert(bytes.length === 16, `a UUID has 16 bytes, not ${bytes.length}`);
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A UUID's 36 characters as 16 bytes. */
export function uuidToBytes(uuid: string): Uint8Array {
  assert(UUID.test(uuid), `not a UUID: ${uuid}`);
  const hex = uuid.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A random (version 4) UUID from 16 random bytes, which it changes. */
export function uuidFromRandom(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidFromBytes(bytes);
}

/** Weir's own topic, of what consumer groups have committed and who is in them. Kafka's name. */
export const OFFSETS_TOPIC = '__consumer_offsets';

/** Whether a topic is Weir's own: only brokers write it, whoever reads it. */
export function isInternalTopic(name: string): boolean {
  return name === OFFSETS_TOPIC;
}

/**
 * Why a topic name is refused, or undefined when it is fine. Kafka's rule (`Topic.java`): 1 to 249 of
 * `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
 */
export function topicNameProblem(name: string): string | undefined {
  if (name.length === 0) return 'a topic name has at least one character';
  if (name.length > 249) return `a topic name has at most 249 characters, this one has ${name.length}`;
  if (name === '.' || name === '..') return `"${name}" is not a topic name`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `a topic name is made of a-z, A-Z, 0-9, ".", "_" and "-"; ${JSON.stringify(name)} has something else`;
  }
  return undefined;
}
