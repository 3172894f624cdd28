import type { Clock } from '@weir/base/clock.ts';
import { sleep } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import type { LaunchedService, Launcher } from './launcher.ts';
import { planService } from './plan.ts';
import type { Kind, PlanInput } from './plan.ts';

const READINESS_POLL_MS = 5;
/** Then it is said what everybody waits for, again and again. */
const WAITING_NOTE_MS = 5_000;

/** Services that run together. */
export interface Composition {
  readonly services: readonly LaunchedService[];
  stop(): Promise<void>;
}

/** How many of each kind. */
export type Counts = Readonly<Record<Kind, number>>;

/**
 * Starts a cluster: the coordinators, then all the others at once. Returns when every one of them is ready. What has
 * started is stopped again when one does not start.
 *
 * @throws Error (as a rejection) that names the service
 */
export async function compose(
  counts: Counts,
  input: PlanInput,
  parts: {
    readonly launcher: Launcher;
    readonly clock: Clock;
    readonly note: (line: string) => void;
    /** The metadata store is ours: whatever an earlier run left in the data directory is stale. */
    readonly storeOwned: () => void;
  },
): Promise<Composition> {
  const services: LaunchedService[] = [];
  const stop = async (): Promise<void> => {
    // Against the stream of records, and everybody may still report to the coordinators.
    for (const kind of ['gateway', 'broker', 'coordinator'] as const) {
      await Promise.all(services.filter(({ plan }) => plan.kind === kind).map((service) => service.stop()));
    }
  };
  const launchAll = async (kinds: readonly Kind[]): Promise<void> => {
    const coordinators = services.map(({ addresses }) => addresses['grpc']!);
    const plans = kinds.flatMap((kind) =>
      Array.from({ length: counts[kind] }, (_, n) => planService(kind, n, coordinators, input)),
    );
    const launched = await Promise.allSettled(
      plans.map(async (plan) => {
        try {
          return await parts.launcher.launch(plan);
        } catch (error) {
          const why = withAdvice(messageOf(error), plan.kind);
          throw new Error(`${plan.kind} ${plan.id} does not start: ${why}`, { cause: error });
        }
      }),
    );
    services.push(...launched.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
    for (const result of launched) if (result.status === 'rejected') throw result.reason;
  };
  try {
    await launchAll(['coordinator']);
    parts.storeOwned();
    await launchAll(['broker', 'gateway']);
    await untilReady(services, parts);
  } catch (error) {
    await stop();
    throw error;
  }
  return { services, stop };
}

/** A service's own words, with what they come to under `weir dev`. */
function withAdvice(message: string, kind: Kind): string {
  const advice = message.includes('port is taken') ? '. Stop that one, or say --ports auto' : '';
  return message.replaceAll('--insecure', `--${kind}.insecure`) + advice;
}

async function untilReady(
  services: readonly LaunchedService[],
  { clock, note }: { readonly clock: Clock; readonly note: (line: string) => void },
): Promise<void> {
  let notedMs = clock.monotonicMs();
  for (;;) {
    const waiting = services.find((service) => service.notReady() !== undefined);
    if (waiting === undefined) return;
    if (clock.monotonicMs() - notedMs >= WAITING_NOTE_MS) {
      notedMs = clock.monotonicMs();
      note(`waiting for ${waiting.plan.kind} ${waiting.plan.id}: ${waiting.notReady()}\n`);
    }
    await sleep(clock, READINESS_POLL_MS);
  }
}
