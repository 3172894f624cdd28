import type { GroupError } from './group-error.ts';

/** What a record can hold of a text. */
const TEXT_BYTES_MAX = 32_767;

/** Why there can be no group of that id with members, or undefined. As in Kafka, but for ids that cannot be stored. */
export function groupIdProblem(groupId: string): GroupError | undefined {
  return groupId === '' ? 'INVALID_GROUP_ID' : textProblem(groupId);
}

/** Offsets alone are kept for a group without a name as well: old clients have such. */
export function textProblem(groupId: string): GroupError | undefined {
  return isTooLong(groupId) ? 'INVALID_GROUP_ID' : undefined;
}

/** Whether a record cannot hold a text. */
export function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > TEXT_BYTES_MAX;
}
