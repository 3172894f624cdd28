import type { Outcome } from './simulation.ts';
import { Sometimes, SOMETIMES } from './sometimes.ts';

/** Runs that take longer than this say how far they are. */
const PROGRESS_MS = 2_000;

/** What runs came to, for people. */
export class Report {
  readonly #startMs = performance.now();
  #progressMs = performance.now();
  readonly sometimes = new Sometimes();
  readonly #totals = { seeds: 0, events: 0, operations: 0, transactions: 0, faults: 0, takeOvers: 0, simulatedMs: 0 };
  #failed: Outcome | undefined;
  #last: Outcome | undefined;

  /** The run in which something did not hold. */
  get failed(): Outcome | undefined {
    return this.#failed;
  }

  take(outcome: Outcome): void {
    const totals = this.#totals;
    totals.seeds++;
    for (const name of ['events', 'operations', 'transactions', 'faults', 'takeOvers', 'simulatedMs'] as const) {
      totals[name] += outcome[name];
    }
    this.sometimes.add(outcome.sometimes);
    this.#last = outcome;
    if (outcome.violation !== undefined) this.#failed = outcome;
    const nowMs = performance.now();
    if (nowMs - this.#progressMs < PROGRESS_MS) return;
    this.#progressMs = nowMs;
    console.log(`${totals.seeds} seeds, ${this.#perSecond(totals.seeds)} a second`);
  }

  /** @param details - whether to print what the last seed was like */
  end(details: boolean): void {
    const last = this.#failed ?? this.#last;
    if (last !== undefined && (details || this.#failed !== undefined)) {
      console.log(`seed ${last.seed}, trace ${last.hash}: ${JSON.stringify(last.swarm)}`);
    }
    const { seeds, events, operations, transactions, faults, takeOvers, simulatedMs } = this.#totals;
    console.log(
      `${seeds} seeds (${this.#perSecond(seeds)} a second), ${(simulatedMs / 3.6e6).toFixed(1)} simulated hours: ` +
        `${events} events, ${operations} operations, ${transactions} transactions, ${faults} faults, ${takeOvers} take-overs`,
    );
    for (const what of SOMETIMES) console.log(`${String(this.sometimes.of(what)).padStart(9)}  ${what}`);
    if (this.#failed === undefined) return;
    for (const line of this.#failed.lastLines) console.log(line);
    console.log(failureOf(this.#failed));
  }

  #perSecond(count: number): string {
    return (count / ((performance.now() - this.#startMs) / 1_000)).toFixed(1);
  }
}

/** What did not hold, and how to see it again. */
export function failureOf({ seed, violation }: Outcome): string {
  return `FAILED  seed ${seed} ${violation}\nagain:  npm run sim -- --seed ${seed}`;
}
