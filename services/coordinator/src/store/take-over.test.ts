import { expect, test } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import type { TxnRequest, TxnResult } from './metadata-store.ts';
import { takeOver } from './take-over.ts';

const candidate = (incarnation: string) => ({ clusterId: `cluster of ${incarnation}`, coordinatorId: 1, incarnation });

/** A store in which somebody else does something before the transaction with that number. */
class ContestedStore extends MemoryStore {
  readonly #before: { readonly number: number; readonly act: () => Promise<unknown> };
  #count = 0;

  constructor(number: number, act: (store: MemoryStore) => Promise<unknown>) {
    super();
    this.#before = { number, act: () => act(this) };
  }

  override async txn(request: TxnRequest): Promise<TxnResult> {
    if (++this.#count === this.#before.number) await this.#before.act();
    return this.txnNow(request);
  }
}

test('the first coordinator names the cluster, and the others take the name that there is', async () => {
  const store = new MemoryStore();
  expect((await takeOver(store, candidate('a'))).image.clusterId).toBe('cluster of a');
  expect((await takeOver(store, candidate('b'))).image.clusterId).toBe('cluster of a');
});

test.each([
  [2, 'claims'],
  [3, 'names the cluster'],
])('who is overtaken before transaction %i, in which it %s, says so', async (number) => {
  const store = new ContestedStore(number, async (contested) => {
    contested.txnNow({ compare: [], success: [{ kind: 'delete', key: '/controller' }] });
    contested.txnNow({ compare: [], success: [{ kind: 'put', key: '/controller', value: '{"v":1}' }] });
  });
  await expect(takeOver(store, candidate('a'))).rejects.toThrow('another coordinator took over at the same moment');
  expect(store.rangeNow({ prefix: '/cluster' }).items).toEqual([]);
});
