import type { TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { HttpFailure } from '../http/failure.ts';

/** The next offset of each partition that was read, by its index. */
export type Cursor = ReadonlyMap<number, number>;

/** Version of the form below. */
const VERSION = '1';
const CURSOR = /^1\.([0-9a-f]{8})((?:\.\d{1,5}-\d{1,16})*)$/;

/**
 * A place in a topic as text, for URLs and for SSE's `id:`. Clients take it as it is. It names the topic by the
 * beginning of its id: in a topic that was created again under the same name the offsets would mean other records.
 */
export function encodeCursor(topic: TopicInfo, cursor: Cursor): string {
  let text = `${VERSION}.${topic.id.slice(0, 8)}`;
  for (const [partition, offset] of cursor) text += `.${partition}-${offset}`;
  return text;
}

/** @throws HttpFailure INVALID_REQUEST for what is no cursor, UNKNOWN_TOPIC_ID for one of a topic that is not this one */
export function decodeCursor(text: string, topic: TopicInfo): Cursor {
  const match = CURSOR.exec(text);
  if (match === null) {
    throw new HttpFailure(
      'INVALID_REQUEST',
      `${JSON.stringify(text.slice(0, 80))} is not a cursor: hand back one as it came`,
    );
  }
  if (match[1] !== topic.id.slice(0, 8)) {
    throw new HttpFailure(
      'UNKNOWN_TOPIC_ID',
      `the cursor is not of this topic "${topic.name}", which may have been created anew: begin again without it`,
    );
  }
  const cursor = new Map<number, number>();
  for (const part of match[2]!.split('.').slice(1)) {
    const [partition, offset] = part.split('-').map(Number);
    if (partition! < topic.partitions.length && Number.isSafeInteger(offset)) cursor.set(partition!, offset!);
  }
  return cursor;
}
