import { WeirError } from '@weir/base/errors.ts';
import type { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';

/** What a leader has. */
export interface Leadership {
  /**
   * The create revision of the leader's node: higher than that of every leader before. Whoever is written to by leaders keeps
   * the highest that it has seen and refuses lower ones (see register.ts): a leader that was paused may believe in itself for
   * longer than others do.
   */
  readonly token: number;
  /** Aborts when the session is lost: another one may lead from then on. */
  readonly signal: AbortSignal;
  /** Lets the next candidate lead. */
  resign(): Promise<void>;
}

/**
 * Waits until this candidate leads. Each candidate is an ephemeral sequential node, the one with the lowest number leads, and
 * each watches only the one before it: when that goes, one candidate wakes up and not all of them.
 *
 * @throws WeirError (as a rejection) SESSION_EXPIRED when the session is lost before that
 */
export async function campaign(namespace: NamespaceClient, path: string, candidate: string): Promise<Leadership> {
  await namespace.createPath(path);
  const session = await namespace.openSession();
  try {
    const own = await namespace.create(`${path}/candidate-`, candidate, { session, sequential: true });
    for (;;) {
      const { revision, names } = await namespace.children(path);
      const before = names.filter((name) => `${path}/${name}` < own.path).at(-1);
      if (before === undefined) {
        return { token: own.createRevision, signal: session.signal, resign: () => session.close() };
      }
      await untilGone(namespace, session, { path: `${path}/${before}`, from: revision + 1 });
    }
  } catch (error) {
    // Or its node would stand in the way of others.
    await session.close();
    throw error;
  }
}

/** Who leads; undefined when nobody does. */
export async function leaderOf(namespace: NamespaceClient, path: string): Promise<string | undefined> {
  const { names } = await namespace.children(path);
  if (names.length === 0) return undefined;
  const { node } = await namespace.get(`${path}/${names[0]}`);
  return Buffer.from(node.data).toString();
}

/** Resolves when the node may be gone: whoever asks looks again. */
function untilGone(
  namespace: NamespaceClient,
  { signal }: NamespaceSession,
  { path, from }: { readonly path: string; readonly from: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      watch.close();
      signal.removeEventListener('abort', lost);
    };
    const lost = (): void => {
      finish();
      reject(new WeirError('SESSION_EXPIRED', 'the session was lost before the candidate led'));
    };
    const look = (): void => {
      finish();
      resolve();
    };
    const watch = namespace.watch(
      { path, from, kind: 'data' },
      {
        events: (_revision, events) => {
          if (events.some(({ kind }) => kind === 'deleted')) look();
        },
        // COMPACTED: changes may have been missed.
        ended: look,
      },
    );
    signal.addEventListener('abort', lost, { once: true });
    if (signal.aborted) lost();
  });
}
