import { expect, test } from 'vitest';
import { resolveOptions } from '@weir/base/options.ts';
import { coordinatorOptions, storeLocationOf } from './options.ts';

function locationOf(values: Record<string, unknown>) {
  const resolved = resolveOptions(coordinatorOptions, [{ label: (name) => `--${name}`, values }]);
  if (!resolved.ok) throw new Error(resolved.problems.join('; '));
  return storeLocationOf(resolved.values);
}

test('a store is a SQLite file or the members of an etcd', () => {
  expect(locationOf({ store: 'sqlite:/data/metadata.db' })).toEqual({ kind: 'sqlite', path: '/data/metadata.db' });
  expect(locationOf({ store: 'etcd:http://h1:2379,http://[::1]:2379' })).toMatchObject({
    kind: 'etcd',
    access: {
      endpoints: [
        { url: 'http://h1:2379', address: 'h1:2379', isTls: false },
        { url: 'http://[::1]:2379', address: '[::1]:2379', isTls: false },
      ],
      prefix: '/weir',
      user: undefined,
    },
  });
  const secured = {
    store: 'etcd:https://h1:2379',
    'etcd-prefix': '/clusters/one',
    'etcd-ca': 'ca.pem',
    'etcd-certificate': 'own.pem',
    'etcd-key': 'key.pem',
    'etcd-user': 'weir',
    'etcd-password-file': 'password',
  };
  expect(locationOf(secured)).toMatchObject({
    access: {
      endpoints: [{ isTls: true }],
      prefix: '/clusters/one',
      caFile: 'ca.pem',
      certificateFile: 'own.pem',
      keyFile: 'key.pem',
      user: { name: 'weir', passwordFile: 'password' },
    },
  });
});

const user = { 'etcd-user': 'weir', 'etcd-password-file': 'password' };

test.each([
  [{ store: 'files' }, 'sqlite:PATH or etcd:http://HOST:PORT'],
  [{ store: 'sqlite:' }, 'is not a store'],
  [{ store: 'etcd:' }, 'has ""'],
  [{ store: 'etcd:h1:2379' }, 'has "h1:2379"'],
  [{ store: 'etcd:http://h1' }, 'has "http://h1"'],
  [{ store: 'etcd:http://h1:2379/' }, 'has "http://h1:2379/"'],
  [{ store: 'etcd:http://h1:2379,https://h2:2379' }, 'mixes http and https'],
  [{ store: 'etcd:http://h1:2379', 'etcd-prefix': 'weir' }, '--etcd-prefix: "weir" is not a prefix'],
  [{ store: 'etcd:http://h1:2379', 'etcd-prefix': '/weir/' }, 'is not a prefix'],
  [{ store: 'etcd:http://h1:2379', 'etcd-ca': 'ca.pem' }, '--etcd-ca needs members at https://'],
  [{ store: 'etcd:https://h1:2379', 'etcd-key': 'key.pem' }, '--etcd-certificate and --etcd-key go together'],
  [{ store: 'etcd:https://h1:2379', 'etcd-user': 'weir' }, '--etcd-user and --etcd-password-file go together'],
  [{ store: 'etcd:http://127.0.0.1:2379,http://h1:2379', ...user }, 'in the clear to http://h1:2379'],
  [{ store: 'sqlite:file', 'etcd-ca': 'ca.pem' }, '--etcd-ca needs --store etcd:'],
])('%j is refused: %s', (values, message) => {
  expect(() => locationOf(values)).toThrow(message);
});

test('a password goes in the clear to loopback, or where somebody said so', () => {
  expect(locationOf({ store: 'etcd:http://127.0.0.1:2379', ...user })).toMatchObject({ kind: 'etcd' });
  expect(locationOf({ store: 'etcd:http://h1:2379', ...user, insecure: true })).toMatchObject({ kind: 'etcd' });
});
