import { spawn } from 'node:child_process';
import { readLine } from './scenario.ts';
import type { Outcome } from './scenario.ts';

/** A program that says nothing for so long is stuck in the scenario that it has not told of. */
const SILENCE_MS_MAX = 180_000;
const OUTPUT_CHARACTERS_MAX = 4_000;

/** How a client's program is started. */
export interface Command {
  readonly words: readonly string[];
  readonly cwd: string;
  /** Variables besides this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where, what and under which name. */
export interface Assignment {
  readonly bootstrap: string;
  readonly scenarios: readonly string[];
  /** What the names of its topics begin with. */
  readonly run: string;
}

/**
 * Runs a program through its scenarios. One that ends early or says nothing has failed the scenario that it was at, and
 * is started anew for those behind it.
 */
export async function runProgram(command: Command, assignment: Assignment): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  for (let turn = 0; ; turn++) {
    const scenarios = assignment.scenarios.filter((name) => !outcomes.has(name));
    if (scenarios.length === 0) return outcomes;
    const before = outcomes.size;
    const why = await runOnce(command, { ...assignment, scenarios, run: `${assignment.run}${turn}` }, outcomes);
    const left = scenarios.filter((name) => !outcomes.has(name));
    // One that does not even begin would not do so the next time.
    const hopeless = turn > 0 && outcomes.size === before;
    for (const name of hopeless ? left : left.slice(0, 1))
      outcomes.set(name, { kind: 'failed', reason: why, seen: {} });
  }
}

/** Returns why it went no further. */
function runOnce(
  { words, cwd, environment }: Command,
  { bootstrap, scenarios, run }: Assignment,
  outcomes: Map<string, Outcome>,
): Promise<string> {
  const child = spawn(words[0]!, words.slice(1), {
    cwd,
    env: { ...process.env, ...environment, BOOTSTRAP: bootstrap, SCENARIO: scenarios.join(','), RUN: run },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A shell's children go with it.
    detached: true,
  });
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  };
  process.once('exit', end);
  let stuck = false;
  const onSilence = (): void => {
    stuck = true;
    end();
  };
  let silence = setTimeout(onSilence, SILENCE_MS_MAX);
  let said = '';
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const found = readLine(line);
      if (found === undefined) {
        said += `${line}\n`;
        continue;
      }
      outcomes.set(found.scenario, found.outcome);
      clearTimeout(silence);
      silence = setTimeout(onSilence, SILENCE_MS_MAX);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-OUTPUT_CHARACTERS_MAX)));
  return new Promise((resolve) => {
    const finish = (ending: string): void => {
      clearTimeout(silence);
      process.off('exit', end);
      const lines = said.trim().split('\n');
      const lastWords = lines.findLast((line) => /error|exception|panic|caused by/i.test(line)) ?? lines.at(-1)!;
      const what = stuck ? `nothing for ${SILENCE_MS_MAX / 1_000} s` : `the program ended with ${ending}`;
      resolve(lastWords === '' ? what : `${what}; it said: ${lastWords}`);
    };
    child.once('error', (error) => finish(error.message));
    child.once('close', (code, signal) => finish(String(code ?? signal)));
  });
}
