/**
 * Signals that are made of others live no longer than these. Node keeps each of them for as long as somebody listens, and who
 * listened in a run that is over never stops: some hundred seeds would fill the memory.
 */
export function releaseSignals(): void {
  AbortSignal.any = anyOf;
}

function anyOf(signals: Iterable<AbortSignal>): AbortSignal {
  const all = [...signals];
  const aborted = all.find((signal) => signal.aborted);
  if (aborted !== undefined) return AbortSignal.abort(aborted.reason);
  const controller = new AbortController();
  for (const signal of all) signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  return controller.signal;
}
