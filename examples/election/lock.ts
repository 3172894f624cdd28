import type { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import { campaign } from './election.ts';
import type { Leadership } from './election.ts';

/**
 * Does `work` while nobody else holds the lock: a lock is an election whose leader resigns when it is done. `work` stops when
 * `signal` aborts, and passes `token` on to whatever it writes to: the lock alone does not keep a holder that was paused from
 * writing after the next one (jepsen.io/analyses/etcd-3.4.3).
 */
export async function withLock<T>(
  namespace: NamespaceClient,
  path: string,
  work: (held: Pick<Leadership, 'token' | 'signal'>) => Promise<T>,
): Promise<T> {
  const held = await campaign(namespace, path, 'holder');
  try {
    return await work(held);
  } finally {
    await held.resign();
  }
}
