import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithUs } from '../../harness/end-with-us.ts';
import type { Ending } from '../../harness/weir-child.ts';
import { MemberLogReader } from './member-history.ts';
import type { MemberHistory, TimedEvent } from './member-history.ts';
import type { MemberSettings } from './member-settings.ts';

/** Longer than a rebalance that it may be waiting for. */
const STOP_MS_MAX = 30_000;

/** What a member's program is written in: what it speaks. */
export type MemberKind = 'native' | 'classic';

/** A member of a group: a process that can be killed, paused and started again. */
export class Member {
  readonly name: string;
  readonly group: string;
  /** Of a static member. */
  readonly instance: string | undefined;
  readonly #program: string;
  readonly #directory: string;
  readonly #settings: Omit<MemberSettings, 'name' | 'log'>;
  readonly #starts: { readonly name: string; readonly log: MemberLogReader }[] = [];
  #child: ChildProcess | undefined;
  #ending: Promise<Ending> | undefined;
  #isRunning = false;
  #isPaused = false;
  #output = '';

  /** @param directory - where its processes write down what happens to them */
  constructor(
    name: string,
    kind: MemberKind,
    { directory, ...settings }: Omit<MemberSettings, 'name' | 'log'> & { readonly directory: string },
  ) {
    this.name = name;
    this.group = settings.group;
    this.instance = settings.instance;
    this.#program = fileURLToPath(new URL(`${kind}-member.ts`, import.meta.url));
    this.#directory = directory;
    this.#settings = settings;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Starts another process of it, which joins the group by itself. */
  start(): void {
    if (this.#isRunning) throw new Error(`${this.name} runs already`);
    const name = `${this.name}.${this.#starts.length + 1}`;
    const log = join(this.#directory, `${name}.jsonl`);
    this.#starts.push({ name, log: new MemberLogReader(log) });
    const settings: MemberSettings = { ...this.#settings, name, log };
    const child = spawn(process.execPath, [...process.execArgv, this.#program, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    endWithUs(child);
    this.#child = child;
    this.#isRunning = true;
    child.stderr.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#ending = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        if (this.#child === child) this.#isRunning = this.#isPaused = false;
        resolve({ code, signal });
      });
    });
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ending;
  }

  /** SIGTERM, and SIGKILL when that takes too long; how it ended. */
  async stop(): Promise<Ending | undefined> {
    const child = this.#child;
    const late = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX);
    child?.kill('SIGTERM');
    const ending = await this.#ending;
    clearTimeout(late);
    return ending;
  }

  /** Every thread of it stands still; its connections stay. */
  pause(): void {
    this.#isPaused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#isPaused = false;
    this.#child?.kill('SIGCONT');
  }

  /** How its last process has ended by itself, once it has. */
  get ending(): Promise<Ending> {
    if (this.#ending === undefined) throw new Error(`${this.name} was never started`);
    return this.#ending;
  }

  /** What has happened to its last process so far. */
  get events(): readonly TimedEvent[] {
    return this.#starts.at(-1)?.log.read() ?? [];
  }

  /** Of its last process: the generation that it was told last; -1: none. */
  get generation(): number {
    const told = this.events.findLast(({ kind }) => kind === 'generation');
    return told?.kind === 'generation' ? told.generation : -1;
  }

  /** Of each of its processes, so far. */
  histories(): MemberHistory[] {
    const { group, instance } = this;
    return this.#starts.map(({ name: member, log }) => ({ group, member, instance, events: log.read() }));
  }

  writeOutput(path: string): void {
    writeFileSync(path, this.#output);
  }
}
