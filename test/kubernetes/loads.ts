import type { Report } from '../faults/scenario.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { KafkaClients } from './client-pod.ts';
import type { LoadResult } from './load-tally.ts';
import type { StepContext } from './step.ts';

/** A steady state before and after what is done. */
export const STEADY_MS = 3_000;

/** Checks that nobody noticed. */
export function noFailures(report: Report, result: LoadResult, when: string): void {
  report.check(result.failed === 0, `0 failed requests ${when}`, spoken(result));
  for (const failure of result.failures) report.note(failure);
}

/**
 * Does something while records are written over HTTP and over Kafka's protocol, of which no request may fail.
 *
 * @returns the longest time in which a partition acknowledged nothing, by either way, and why Kafka clients tried again
 */
export async function underSteadyLoad(
  { client, report }: StepContext,
  act: () => Promise<void>,
  kafkaClients?: KafkaClients,
): Promise<{ readonly silentMs: number; readonly retries: LoadResult['retries'] }> {
  const load = client.steadyLoad(kafkaClients);
  await pause(STEADY_MS);
  const acted = await act().catch((error: unknown) => ({ error }));
  await pause(STEADY_MS);
  // It ends whatever has come of that: the next step writes to the same topics.
  const { http, kafka } = await load.finish();
  if (acted !== undefined) throw acted.error;
  noFailures(report, http, 'over HTTP');
  noFailures(report, kafka, "over Kafka's protocol");
  return { silentMs: Math.max(http.longestGapMs, kafka.longestGapMs), retries: kafka.retries };
}

/** A load's result in words. */
export function spoken({ requests, failed, retries, acknowledged, longestGapMs, seconds }: LoadResult): string {
  const more = Object.entries(retries).map(([why, count]) => `${count} tries more (${why})`);
  return (
    `${requests} requests in ${seconds} s, ${failed} failed${more.map((words) => `, ${words}`).join('')}, ` +
    `${acknowledged.length} records acknowledged, longest time without one in a partition ${longestGapMs} ms`
  );
}
