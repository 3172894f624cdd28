import { NamespaceClient } from '@weir/client/namespace/namespace-client.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { campaign, leaderOf } from './election.ts';
import { withLock } from './lock.ts';
import { FencedRegister } from './register.ts';

/** `npm run example:election`, with Weir running; another coordinator's address may follow. */
const coordinators = [process.argv[2] ?? '127.0.0.1:7070'];
const names = ['ada', 'barbara', 'grace'];
const clients = names.map((name) => new NamespaceClient({ coordinators, name }, clientWorld));

console.log(`An election among ${names.join(', ')}:`);
await Promise.all(
  clients.map(async (client, i) => {
    const leadership = await campaign(client, '/example/election', names[i]!);
    console.log(`  ${await leaderOf(client, '/example/election')} leads, with the token ${leadership.token}`);
    await leadership.resign();
  }),
);

console.log('A lock, which each of them takes three times, and a register that knows its holders by their tokens:');
const register = new FencedRegister();
await Promise.all(
  clients.flatMap((client, i) =>
    [1, 2, 3].map((time) =>
      withLock(client, '/example/lock', ({ token }) => {
        register.append(`${names[i]} ${time}`, token);
        return Promise.resolve();
      }),
    ),
  ),
);
console.log(`  ${register.values.join(', ')}`);
await Promise.all(clients.map((client) => client.close()));
