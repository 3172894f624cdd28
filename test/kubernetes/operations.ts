import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './tools.ts';
import type { Ended } from './tools.ts';

const PAGE = join(ROOT, 'docs/OPERATIONS.md');
const RUN_MS_MAX = 10 * 60_000;

/** A directory in which docs/OPERATIONS.md is followed, with one of programs that its reader has; both go with it. */
export class OperationsDesk implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'weir-operations-'));
  readonly #programs: string;

  constructor(programs: string) {
    this.#programs = programs;
    // The page's commands name the chart from the root of the checkout.
    symlinkSync(join(ROOT, 'deploy'), join(this.#directory, 'deploy'));
  }

  /**
   * Runs the block of commands below a heading that has this word in it, as it stands but for the first line, which gives
   * names. The block stops at the first command that fails.
   *
   * @throws Error where the page has no such block, or its first line gives other names
   */
  follow(word: string, names: Readonly<Record<string, string>>): Ended {
    const [first, ...commands] = blockWith(word);
    const given = [...first!.matchAll(/(\w+)=/g)].map((match) => match[1]!);
    if (String(given.toSorted()) !== String(Object.keys(names).toSorted())) {
      throw new Error(`${PAGE}: the block with "${word}" begins with names ${given.join(', ')}`);
    }
    const script = [...Object.entries(names).map(([name, value]) => `${name}='${value}'`), ...commands].join('\n');
    const { status, stdout, stderr, error } = spawnSync('bash', ['-euxo', 'pipefail', '-c', script], {
      cwd: this.#directory,
      encoding: 'utf8',
      timeout: RUN_MS_MAX,
      env: { ...process.env, PATH: `${this.#programs}${delimiter}${process.env['PATH'] ?? ''}` },
    });
    return { ok: status === 0, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error?.message ?? ''}` };
  }

  [Symbol.dispose](): void {
    for (const directory of [this.#directory, this.#programs]) rmSync(directory, { recursive: true, force: true });
  }
}

/** The lines of the page's one block that is run here and has this word in it. */
function blockWith(word: string): string[] {
  const marked = /<!-- test\/kubernetes runs this block[^\n]*-->\n+```sh\n([^]*?)\n```/g;
  const blocks = [...readFileSync(PAGE, 'utf8').matchAll(marked)].map((match) => match[1]!);
  const found = blocks.filter((block) => block.includes(word));
  if (found.length !== 1) throw new Error(`${PAGE} has ${found.length} blocks with "${word}" that are run here`);
  return found[0]!.split('\n');
}
