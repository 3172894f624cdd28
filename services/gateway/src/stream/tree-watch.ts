import type { Cancel } from '@weir/base/clock.ts';
import type { Refusal } from '@weir/base/errors.ts';
import { STREAM_PING_MS, TREE_STREAM_PENDING_BYTES_MAX } from '@weir/base/limits.ts';
import { eventJson } from '@weir/client/namespace/node-json.ts';
import { revisionJson, revisionOf, revisionText } from '@weir/client/namespace/revision-text.ts';
import type { TreeEvent } from '@weir/client/namespace/tree-node.ts';
import type { LogEvents, NamespaceWatch, WatchOptions } from '@weir/client/namespace/watch-link.ts';
import type { GatewayContext } from '../context.ts';
import type { GatewayReply, GatewayRequest, ReplySink, StreamReader } from '../http/exchange.ts';
import { HttpFailure, refusalJson } from '../http/failure.ts';
import { EVENT_STREAM_HEAD, firstBlock, STOPPING_BLOCK } from './event-stream.ts';

/**
 * Answers with server-sent events, one a revision, of which the id is that revision (below /consumers with the leader epoch in front, as
 * 3-17). It begins behind `Last-Event-ID`, else at `?from=`, else with what comes from now on.
 *
 * @throws HttpFailure (as a rejection) COMPACTED when that is too old, which is 410: a browser then does not try again
 */
export async function watchTree(
  context: GatewayContext,
  request: GatewayRequest,
  { path, kind }: Pick<WatchOptions, 'path' | 'kind'>,
): Promise<GatewayReply> {
  const from = startOf(request);
  context.streams.enter();
  const stream = new TreeStream(context, path);
  try {
    await stream.begin({ path, kind, ...from }, request.signal);
  } catch (error) {
    stream.closed();
    throw error;
  }
  return {
    ...EVENT_STREAM_HEAD,
    start: (sink) => stream.attach(sink),
  };
}

/** The first revision of all is 1, written without zeros in front. */
const FIRST = /^(?:\d+-)?[1-9]/;

/** Where a watch begins that is asked for; nothing: with what comes from now on. @throws HttpFailure INVALID_REQUEST */
export function startOf({
  query,
  headers,
}: Pick<GatewayRequest, 'query' | 'headers'>): Pick<WatchOptions, 'from' | 'fromEpoch'> {
  const from = query.text('from');
  const last = headers['last-event-id'];
  const isLast = typeof last === 'string' && last !== '';
  const text = isLast ? last : from;
  if (text === undefined) return {};
  const found = revisionOf(text);
  if (found === undefined || (!isLast && !FIRST.test(text))) {
    const which = isLast ? 'Last-Event-ID' : 'from';
    throw new HttpFailure('INVALID_REQUEST', `${which} ${JSON.stringify(text.slice(0, 80))} is not a revision`);
  }
  return { from: isLast ? found.revision + 1 : found.revision, ...found.options };
}

/** One reader of changes. What waits for it is bounded: one that is slower for long is told so, and ended. */
class TreeStream implements StreamReader {
  readonly #context: GatewayContext;
  readonly #path: string;
  #watch: NamespaceWatch | undefined;
  #sink: ReplySink | undefined;
  /** What came before the head was sent. */
  #early = '';
  #stopPings: Cancel | undefined;
  #closed = false;

  constructor(context: GatewayContext, path: string) {
    this.#context = context;
    this.#path = path;
  }

  /** Resolves once the watch stands. */
  begin(options: WatchOptions, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let standing = false;
      const gone = (): void => reject(new HttpFailure('CLIENT_GONE', 'the client went away'));
      const stopping = (): void => reject(new HttpFailure('SHUTTING_DOWN', 'this gateway stops: ask another one'));
      signal.addEventListener('abort', gone, { once: true });
      this.#context.stopping.addEventListener('abort', stopping, { once: true });
      this.#watch = this.#context.client.namespace.watch(options, {
        started: (revision, log) => {
          standing = true;
          signal.removeEventListener('abort', gone);
          this.#context.stopping.removeEventListener('abort', stopping);
          const { from, fromEpoch } = options;
          const epoch = fromEpoch === undefined ? log : { leaderEpoch: fromEpoch };
          const id = from === undefined ? revisionText(revision, log) : revisionText(from - 1, epoch);
          this.#write(firstBlock(this.#path, id));
          resolve();
        },
        events: (revision, events, log) => this.#events(revision, events, log),
        ended: (why) => {
          if (standing) this.#refuse(why);
          else reject(new HttpFailure(why.code, why.message));
        },
      });
      if (signal.aborted) gone();
    });
  }

  attach(sink: ReplySink): StreamReader {
    this.#sink = sink;
    this.#write('');
    this.#stopPings = this.#context.clock.every(STREAM_PING_MS, () => {
      if (sink.pendingBytes === 0) this.#write(': ping\n\n');
    });
    return this;
  }

  drained(): void {}

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopPings?.();
    this.#watch?.close();
    this.#context.streams.leave();
  }

  draining(): void {
    this.stopping();
  }

  stopping(): void {
    if (this.#closed) return;
    this.#write(STOPPING_BLOCK);
    this.#sink?.end();
  }

  #events(revision: number, events: readonly TreeEvent[], log: LogEvents | undefined): void {
    const shown = events.map((event) => eventJson(revision, event, { withData: true, log }));
    const data = JSON.stringify({ ...revisionJson(revision, log), events: shown });
    this.#write(`id: ${revisionText(revision, log)}\nevent: changes\ndata: ${data}\n\n`);
    if ((this.#sink?.pendingBytes ?? this.#early.length) <= TREE_STREAM_PENDING_BYTES_MAX) return;
    this.#refuse({ code: 'SLOW_READER', message: 'the stream was read too slowly: go on behind the last event' });
  }

  #refuse(why: Refusal): void {
    if (this.#closed) return;
    this.#watch?.close();
    this.#write(`event: refused\ndata: ${refusalJson(why)}\n\n`);
    this.#sink?.end();
  }

  #write(text: string): void {
    if (this.#closed) return;
    if (this.#sink === undefined) {
      this.#early += text;
      return;
    }
    this.#sink.write(this.#early + text);
    this.#early = '';
  }
}
