import { expect, test } from 'vitest';
import { failureOf } from './failure.ts';

test.each([
  [14, 'No connection established. Last error: Error: connect ECONNREFUSED. Resolution note: ', 'unreachable'],
  [14, 'Name resolution failed for target dns:nowhere:2379', 'unreachable'],
  // It may have been sent before.
  [14, 'Connection dropped', 'unknown'],
  [14, 'read ECONNRESET', 'unknown'],
  [14, 'etcdserver: request timed out, possibly due to previous leader failure', 'unknown'],
  [14, 'etcdserver: leader changed', 'unknown'],
  [14, 'etcdserver: no leader', 'unknown'],
  [4, 'Deadline exceeded after 2.001s', 'unknown'],
  [1, 'etcdserver: request canceled', 'unknown'],
  [2, 'whatever', 'unknown'],
  [13, 'Received RST_STREAM with code 2', 'unknown'],
  [14, 'etcdserver: rpc not supported for learner', 'elsewhere'],
  [9, 'etcdserver: not leader', 'elsewhere'],
  [8, 'etcdserver: too many requests', 'busy'],
  [8, 'etcdserver: mvcc: database space exceeded', 'busy'],
  [8, 'Received message larger than max (70000000 vs 67108864)', 'tooLarge'],
  [8, 'Attempted to send message with a size larger than 16777216', 'refused'],
  [16, 'etcdserver: invalid auth token', 'token'],
  [3, 'etcdserver: revision of auth store is old', 'token'],
  [3, 'etcdserver: user name is empty', 'token'],
  [3, 'etcdserver: authentication failed, invalid user ID or password', 'refused'],
  [3, 'etcdserver: request is too large', 'refused'],
  [7, 'etcdserver: permission denied', 'refused'],
  [12, 'unknown service etcdserverpb.KV', 'refused'],
  [15, 'etcdserver: corrupt cluster', 'refused'],
  [5, 'etcdserver: requested lease not found', 'leaseGone'],
  [11, 'etcdserver: mvcc: required revision has been compacted', 'compacted'],
  [11, 'etcdserver: mvcc: required revision is a future revision', 'refused'],
] as const)('gRPC status %i with %j is %s', (code, details, kind) => {
  expect(failureOf({ code, details }).kind).toBe(kind);
});
