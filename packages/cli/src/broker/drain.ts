import { sleep } from '@weir/base/clock.ts';
import { DRAIN_POLL_MS } from '@weir/base/limits.ts';
import { declareOptions } from '@weir/base/options.ts';
import { messageOf, WeirError } from '@weir/base/errors.ts';
import type { DrainProgress } from '@weir/client/administer-brokers.ts';
import type { Client } from '@weir/client/client.ts';
import type { BrokerInfo } from '@weir/client/metadata/cluster-image.ts';
import { clientWorld } from '@weir/runtime/client-world.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT } from '../command.ts';
import { refusedInWords, withClient } from '../with-client.ts';
import { brokerIdOf, brokerOf, brokerPositional } from './broker-rows.ts';
import { drainInWords, ledBy, movedSince } from './drain-report.ts';

const options = declareOptions({
  ...clientOptions,
  timeout: {
    type: 'string',
    default: '60s',
    placeholder: 'SECONDS',
    check: secondsProblem,
    description: 'Longest wait for leadership to move; also WEIR_TIMEOUT',
  },
});

/** `weir broker drain` */
export const brokerDrain = defineCommand({
  summary: 'move leadership away from a broker that is going to stop',
  positionals: [brokerPositional],
  options,
  shorts: clientShorts,
  notes: [
    'Waits until nothing more can move, and ends with 0 also when the time is over: it says what moved and what cannot.',
    'The drain ends when the broker registers again, or with "weir broker undrain".',
  ],
  examples: ['weir broker drain 2', 'weir broker drain 2 --timeout 30s -o json'],
  async run({ positionals, options: { timeout, ...rest }, terminal }) {
    const id = brokerIdOf(positionals[0]!);
    const seconds = secondsOf(timeout);
    return withClient({ ...rest, timeout: seconds }, async (client) => {
      const broker = brokerOf(client, id);
      const before = ledBy(client.topics(), id);
      const progress = await refusedInWords(drained(client, broker, seconds * 1_000));
      const moved = movedSince(before, client.topics(), id);
      if (rest.output === 'json') {
        const { isDone: done, isKnownToBroker: knownToBroker, ledCount: leads, led: remaining } = progress;
        terminal.out(
          `${JSON.stringify({ broker: id, epoch: broker.epoch, done, knownToBroker, moved, leads, remaining })}\n`,
        );
      } else {
        const report = { broker: id, ledBefore: before.size, moved, progress };
        terminal.out(`${drainInWords(report).join('\n')}\n`);
      }
      return EXIT.ok;
    });
  },
});

/** Drains, and asks again until it is done or the time is over. */
async function drained(client: Client, broker: BrokerInfo, timeoutMs: number): Promise<DrainProgress> {
  const { clock, logger } = clientWorld;
  const untilMs = clock.monotonicMs() + timeoutMs;
  let progress = await client.drainBroker(broker);
  while (!progress.isDone && clock.monotonicMs() < untilMs) {
    await sleep(clock, DRAIN_POLL_MS);
    try {
      progress = await client.drainBroker(broker);
    } catch (error) {
      // Another coordinator takes over meanwhile, and goes on with the drain.
      if (!(error instanceof WeirError) || !error.retriable) throw error;
      logger.debug({ err: error }, `how far the drain is, is not known: ${messageOf(error)}`);
    }
  }
  return progress;
}

function secondsOf(text: string): number {
  return Number.parseInt(text, 10);
}

function secondsProblem(text: string): string | undefined {
  const seconds = /^\d{1,4}s?$/.test(text) ? secondsOf(text) : 0;
  return seconds >= 1 && seconds <= 3_600 ? undefined : 'is not 1 to 3600 seconds, as 60 or 60s';
}
