import type { BrokerOutcome } from './brokers/simulate.ts';
import type { Outcome } from './simulation.ts';
import {
  BROKER_SOMETIMES,
  GROUP_SOMETIMES,
  PENDING_SOMETIMES,
  RARE_SOMETIMES,
  Sometimes,
  SOMETIMES,
} from './sometimes.ts';

type AnyOutcome = Outcome | BrokerOutcome;

/** With fewer, a seed of the brokers does not say much. */
const OPERATIONS_MIN = 2_000;
const FAULTS_MIN = 5;

/** Runs that take longer than this say how far they are. */
const PROGRESS_MS = 2_000;

/** What runs came to, for people. */
export class Report {
  readonly #startMs = performance.now();
  #progressMs = performance.now();
  readonly sometimes = new Sometimes();
  readonly #totals = { seeds: 0, events: 0, operations: 0, transactions: 0, faults: 0, takeOvers: 0, simulatedMs: 0 };
  #failed: AnyOutcome | undefined;
  #last: AnyOutcome | undefined;
  /** Seeds of the brokers: all of them, those that say much, and those in which a leader changed. */
  readonly #brokers = { seeds: 0, full: 0, led: 0 };

  /** The run in which something did not hold. */
  get failed(): AnyOutcome | undefined {
    return this.#failed;
  }

  take(outcome: AnyOutcome): void {
    const totals = this.#totals;
    totals.seeds++;
    for (const name of ['events', 'operations', 'transactions', 'faults', 'takeOvers', 'simulatedMs'] as const) {
      totals[name] += outcome[name];
    }
    this.sometimes.add(outcome.sometimes);
    if (outcome.kind === 'brokers') {
      this.#brokers.seeds++;
      if (outcome.operations >= OPERATIONS_MIN && outcome.faults >= FAULTS_MIN) this.#brokers.full++;
      if (outcome.sometimes.of('a leader changed') > 0) this.#brokers.led++;
    }
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
      console.log(`seed ${last.seed} of the ${last.kind}, trace ${last.hash}: ${JSON.stringify(last.swarm)}`);
    }
    const { seeds, events, operations, transactions, faults, takeOvers, simulatedMs } = this.#totals;
    console.log(
      `${seeds} seeds (${this.#perSecond(seeds)} a second), ${(simulatedMs / 3.6e6).toFixed(1)} simulated hours: ` +
        `${events} events, ${operations} operations, ${transactions} transactions, ${faults} faults, ${takeOvers} take-overs`,
    );
    const brokers = this.#brokers;
    if (brokers.seeds > 0) {
      console.log(
        `of ${brokers.seeds} seeds of the brokers ${brokers.full} have ${OPERATIONS_MIN} operations and ${FAULTS_MIN} faults, ` +
          `in ${brokers.led} a leader changed`,
      );
    }
    const listed = [
      ...(seeds > brokers.seeds ? SOMETIMES : []),
      ...(brokers.seeds > 0 ? [...BROKER_SOMETIMES, ...GROUP_SOMETIMES, ...RARE_SOMETIMES] : []),
    ];
    for (const what of new Set(listed)) console.log(`${String(this.sometimes.of(what)).padStart(9)}  ${what}`);
    for (const [what, why] of brokers.seeds > 0 ? Object.entries(PENDING_SOMETIMES) : [])
      console.log(`  not yet  ${what}: ${why}`);
    if (this.#failed === undefined) return;
    for (const line of this.#failed.lastLines) console.log(line);
    console.log(failureOf(this.#failed));
  }

  #perSecond(count: number): string {
    return (count / ((performance.now() - this.#startMs) / 1_000)).toFixed(1);
  }
}

/** What did not hold, and how to see it again. */
export function failureOf({ kind, seed, violation, ...outcome }: AnyOutcome): string {
  const scale = 'scale' in outcome && outcome.scale !== 1 ? ` --scale ${outcome.scale}` : '';
  return `FAILED  seed ${seed} of the ${kind} ${violation}\nagain:  npm run sim -- --kind ${kind} --seed ${seed}${scale}`;
}
