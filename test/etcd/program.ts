/** The variable that says where etcd's program is; `npm run test:etcd` builds it and sets it. */
export const ETCD_PROGRAM = 'WEIR_TEST_ETCD_PROGRAM';

/** Where it is, or undefined: then these tests are skipped. */
export const etcdProgram: string | undefined = process.env[ETCD_PROGRAM];

/** What the name of a suite ends with that is skipped without it. */
export const unlessSkipped = etcdProgram === undefined ? ' (npm run test:etcd runs it)' : '';
