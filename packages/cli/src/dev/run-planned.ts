import { loadOptions } from '@weir/runtime/load-options.ts';
import { processOptions } from '@weir/runtime/run-main.ts';
import { runService } from '@weir/runtime/run-service.ts';
import type { ProcessContext, RunningService } from '@weir/runtime/run-service.ts';
import type { ServicePlan } from './plan.ts';
import { loadServiceKind } from './service-kinds.ts';

/**
 * Starts a planned service in this process, from the words and variables that it would have alone.
 *
 * @throws Error (as a rejection) that says why it does not start
 */
export async function runPlanned(
  plan: Pick<ServicePlan, 'kind' | 'args'>,
  environment: NodeJS.ProcessEnv,
  context: ProcessContext,
): Promise<RunningService> {
  const kind = await loadServiceKind(plan.kind);
  const resolved = loadOptions(
    { ...kind.options, ...processOptions },
    { words: plan.args.slice(1), environment, environmentPrefix: `WEIR_${plan.kind.toUpperCase()}_` },
  );
  if (!resolved.ok) throw new Error(resolved.problems.join('; '));
  const { 'log-level': logLevel, ...options } = resolved.values as Record<string, unknown>;
  return runService(kind, options, { ...context, logLevel: String(logLevel) });
}
