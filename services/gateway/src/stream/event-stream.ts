/** What every stream of server-sent events is answered with. */
export const EVENT_STREAM_HEAD = {
  kind: 'stream',
  status: 200,
  type: 'text/event-stream; charset=utf-8',
  headers: { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' },
} as const;

/** A browser waits this long before it connects again. */
const RETRY_MS = 1_000;

/** A block with an id alone is no event, and still where a client goes on that is cut off before the first one. */
export function firstBlock(what: string, id: string | number): string {
  return `retry: ${RETRY_MS}\n: ${what}\nid: ${id}\n\n`;
}

/** The last block of a stream that its gateway ends because it stops. */
export const STOPPING_BLOCK = `retry: ${RETRY_MS}\n: this gateway stops, connect again\n\n`;
