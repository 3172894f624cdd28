import { afterAll, beforeAll, describe } from 'vitest';
import { describeLeases } from '@weir/coordinator/store/testing/contract-lease.ts';
import { describeTransactions } from '@weir/coordinator/store/testing/contract-txn.ts';
import { describeWatches } from '@weir/coordinator/store/testing/contract-watch.ts';
import { openEtcdStore } from '@weir/coordinator/store/etcd.node.ts';
import type { EngineUnderTest } from '@weir/coordinator/store/testing/store-test-kit.ts';
import { EtcdCluster } from './members.ts';
import { etcdProgram, unlessSkipped } from './program.ts';

/** What SQLite and memory are held to in services/coordinator, with etcd. */
describe.skipIf(etcdProgram === undefined).each([1, 3])(`etcd of %s${unlessSkipped}`, (count) => {
  let cluster: EtcdCluster;
  let stores = 0;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(count);
  });
  afterAll(() => cluster.stop());

  const engine: EngineUnderTest = {
    name: `etcd of ${count}`,
    // A prefix of its own: what the other stores have is not in it.
    open: () => openEtcdStore({ endpoints: cluster.endpoints, prefix: `/test/${++stores}` }),
  };
  describeTransactions(engine);
  describeWatches(engine);
  describeLeases(engine);
});
