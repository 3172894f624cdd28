import type { Random } from '@weir/base/random.ts';
import type { Verdict } from './history.ts';
import type { Need, Workshop } from './workshop.ts';

/** One kind of fault, tried on real processes. */
export interface Scenario {
  readonly name: string;
  /** One line: what is done to it. */
  readonly title: string;
  readonly needs: readonly Need[];
  run(context: ScenarioContext): Promise<void>;
}

/** What a scenario gets. */
export interface ScenarioContext {
  readonly random: Random;
  /** How often what is random is repeated; a scenario may divide it. */
  readonly rounds: number;
  readonly workshop: Workshop;
  readonly report: Report;
}

/** What a scenario found, for people. */
export class Report {
  readonly injected: string[] = [];
  readonly lines: string[] = [];
  checks = 0;
  failures = 0;
  /** All of it in a few words. */
  summary = '';
  readonly #progress: (text: string) => void;

  constructor(progress: (text: string) => void) {
    this.#progress = progress;
  }

  /** Says how far a long step is; it is not kept. */
  progress(text: string): void {
    this.#progress(text);
  }

  /** What was done to the disk. */
  inject(what: string): void {
    this.injected.push(what);
  }

  /** A number or a table that is neither right nor wrong. */
  note(line: string): void {
    this.lines.push(`      ${line}`);
  }

  check(holds: boolean, promise: string, found = ''): void {
    this.checks += 1;
    if (!holds) this.failures += 1;
    this.lines.push(`${holds ? 'ok   ' : 'FAIL '} ${promise}${found === '' ? '' : `: ${found}`}`);
  }

  /** The oracle's promises, in one line when all of them hold. */
  verdict(verdict: Verdict, when: string): void {
    const { acknowledged, stored, lateAndGone } = verdict;
    const late = lateAndGone === 0 ? '' : `, ${lateAndGone} later than the last sync and gone`;
    const problems = {
      lost: verdict.lost,
      changed: verdict.changed,
      'never sent': verdict.invented,
      'out of order': verdict.misplaced,
      'stored twice': verdict.twice,
    };
    const found = Object.entries(problems).filter(([, list]) => list.length > 0);
    const numbers = `${acknowledged} acknowledged, ${stored} stored${late}`;
    const bad = found.map(([what, list]) => `${list.length} ${what} (as ${list[0]})`).join(', ');
    this.check(
      found.length === 0,
      `${when}: nothing lost, changed or invented`,
      bad === '' ? numbers : `${bad}; ${numbers}`,
    );
  }
}

/** Many verdicts on one history that goes on, as one: the last one's numbers, everybody's problems. */
export function joinVerdicts(verdicts: readonly Verdict[]): Verdict {
  const all = (pick: (verdict: Verdict) => readonly string[]): string[] => verdicts.flatMap(pick);
  const last = verdicts.at(-1);
  return {
    lost: all(({ lost }) => lost),
    changed: all(({ changed }) => changed),
    invented: all(({ invented }) => invented),
    misplaced: all(({ misplaced }) => misplaced),
    twice: all(({ twice }) => twice),
    acknowledged: last?.acknowledged ?? 0,
    stored: last?.stored ?? 0,
    lateAndGone: verdicts.reduce((sum, { lateAndGone }) => sum + lateAndGone, 0),
  };
}
