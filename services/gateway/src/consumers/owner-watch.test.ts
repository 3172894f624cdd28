import { HTTP_CONSUMER_OWNER_CHECK_MS } from '@weir/base/group-limits.ts';
import { ManualClock } from '@weir/client/test-kit/manual-clock.ts';
import { expect, test } from 'vitest';
import type { ConsumerOwner } from './consumer-nodes.ts';
import { OwnerWatch } from './owner-watch.ts';

const owner: ConsumerOwner = { gateway: 'gw-2', http: 'gw-2:8080', session: 7 };

class Watching {
  readonly clock = new ManualClock();
  /** Whether the owner is there; an error: nobody can be asked. */
  isAlive: boolean | Error = true;
  asked = 0;
  readonly watch = new OwnerWatch(
    {
      isAlive: async () => {
        this.asked++;
        if (this.isAlive instanceof Error) throw this.isAlive;
        return this.isAlive;
      },
    },
    { clock: this.clock },
  );

  /** A request that is answered when its gateway is given up. */
  async pass(): Promise<string> {
    return this.watch.during(owner, async (gone) => {
      await new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve()));
      return 'given up';
    });
  }
}

test('requests of a gateway whose session is over are given up, in the second round', async () => {
  const watching = new Watching();
  const [one, other] = [watching.pass(), watching.pass()];
  let settled = 0;
  for (const each of [one, other]) void each.then(() => settled++);
  await watching.clock.advance(5 * HTTP_CONSUMER_OWNER_CHECK_MS);
  expect([settled, watching.asked]).toEqual([0, 5]);
  watching.isAlive = false;
  await watching.clock.advance(HTTP_CONSUMER_OWNER_CHECK_MS);
  expect(settled).toBe(0);
  await watching.clock.advance(HTTP_CONSUMER_OWNER_CHECK_MS);
  expect(await Promise.all([one, other])).toEqual(['given up', 'given up']);
  await watching.clock.advance(5 * HTTP_CONSUMER_OWNER_CHECK_MS);
  expect(watching.asked).toBe(7);
});

test('while no coordinator can be asked, all are waited for', async () => {
  const watching = new Watching();
  let isGivenUp = false;
  void watching.pass().then(() => (isGivenUp = true));
  watching.isAlive = false;
  await watching.clock.advance(HTTP_CONSUMER_OWNER_CHECK_MS);
  watching.isAlive = new Error('no coordinator');
  await watching.clock.advance(5 * HTTP_CONSUMER_OWNER_CHECK_MS);
  expect(isGivenUp).toBe(false);
});

test('who is answered is not watched any more', async () => {
  const watching = new Watching();
  expect(await watching.watch.during(owner, () => Promise.resolve('answered'))).toBe('answered');
  await watching.clock.advance(5 * HTTP_CONSUMER_OWNER_CHECK_MS);
  expect(watching.asked).toBe(0);
});
