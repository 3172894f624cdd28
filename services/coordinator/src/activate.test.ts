import { expect, test } from 'vitest';
import { testWorld } from '@weir/runtime/test-world.ts';
import { activate } from './activate.ts';
import type { CommandResult } from './controller/controller.ts';
import { MemoryStore } from './store/memory-store.ts';
import { StoreFault } from './store/metadata-store.ts';
import type { TxnRequest, TxnResult } from './store/metadata-store.ts';

/** A store that can stop answering: what is asked is done all the same. */
class MuteStore extends MemoryStore {
  isMute = false;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    const result = this.txnNow(request);
    if (this.isMute) throw new StoreFault('no answer', { retriable: true });
    return result;
  }
}

test('a coordinator that stops says of what it had begun that it may have been done, and of the rest that it was not', async () => {
  const store = new MuteStore();
  const policy = { autoCreateTopics: false, defaultPartitions: 1, replicationFactorMax: 1 };
  const coordinator = await activate({ store, coordinatorId: 1, policy }, testWorld());
  const operations = [{ name: 'log.retention.ms', kind: 'set', value: '5' }] as const;
  const alterations = [{ resource: { type: 'broker', name: '' }, replaceAll: false, operations }] as const;
  const requester = { peer: '10.0.0.1:40000', client: 'a test' };
  const answers: CommandResult[] = [];
  store.isMute = true;
  for (let i = 0; i < 2; i++) {
    coordinator.submit({ kind: 'alterConfigs', alterations, validateOnly: false, requester }, (result) =>
      answers.push(result),
    );
  }
  await coordinator.stop();
  expect(answers).toMatchObject([{ refusal: { code: 'REQUEST_TIMED_OUT' } }, { refusal: { code: 'SHUTTING_DOWN' } }]);
  expect(store.rangeNow({ prefix: '/configs/brokers/default' }).items).toHaveLength(1);
});
