/** Cancels what it was returned for; calling it again, or too late, does nothing. */
export type Cancel = () => void;

/** Time as the services see it. The runtime's is the machine's; tests and the simulator hand in their own. */
export interface Clock {
  /** Milliseconds on a clock that never jumps; differences alone mean something. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for timestamps that people see; it may jump. */
  wallMs(): number;
  /** Calls back once, after at least `delayMs`. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls back again and again, `intervalMs` apart, never twice for time that was slept through. */
  every(intervalMs: number, callback: () => void): Cancel;
  /** Calls back once the current turn's input has been taken in: the moment at which work of a turn goes out together. */
  endOfTurn(callback: () => void): void;
}

/** A promise that resolves after at least `delayMs`, or as soon as the signal aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
