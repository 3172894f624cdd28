import type { OptionSpecs, OptionValues } from '@weir/base/options.ts';
import type { ServiceKind } from '@weir/runtime/run-service.ts';
import type { Terminal } from './terminal.ts';

/** What a command ends the process with. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A word that a command needs, as the topic's name. */
export interface Positional {
  /** In capitals, as `--help` shows it. */
  readonly name: string;
  readonly description: string;
  /** More than one may be given; only the last word of a command is so. */
  readonly repeated?: boolean;
}

/** A command that runs and ends. Options are declared as the services declare theirs. */
export interface Command<Specs extends OptionSpecs = OptionSpecs> {
  readonly summary: string;
  /** All of them are needed. */
  readonly positionals: readonly Positional[];
  readonly options: Specs;
  /** Option names by letter, as `n` for `-n 5`. */
  readonly shorts?: Readonly<Record<string, string>>;
  /** With it every option is also a variable that begins so, and `--config` names a YAML file. */
  readonly environmentPrefix?: string;
  /** What `--help` lists in the place of all options. */
  readonly helpOptions?: OptionSpecs;
  /** What else `--help` should say, in lines. */
  readonly notes?: readonly string[];
  /** Whole command lines. */
  readonly examples?: readonly string[];
  /**
   * @returns the exit code
   * @throws Error (as a rejection) with a message for the user: exit code 1, or 2 when it is a UsageError
   */
  run(invocation: Invocation<Specs>): Promise<number>;
}

/** A command line that was understood. */
export interface Invocation<Specs extends OptionSpecs> {
  /** As many as the command declares; more, where the last of them is a repeated one. */
  readonly positionals: readonly string[];
  readonly options: OptionValues<Specs>;
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Ties the types of a command's options to its `run`. */
export function defineCommand<const Specs extends OptionSpecs>(command: Command<Specs>): Command<Specs> {
  return command;
}

/** A place in the tree of commands. What runs is loaded when it is asked for: most command lines need little. */
export type CommandNode =
  | { readonly kind: 'command'; readonly summary: string; readonly load: () => Promise<Command<any>> }
  | {
      readonly kind: 'service';
      readonly summary: string;
      readonly load: () => Promise<ServiceKind<any>>;
      /** Commands about such services, below the same name: the service's own words all begin with dashes. */
      readonly children?: CommandTree;
    }
  | { readonly kind: 'group'; readonly summary: string; readonly children: CommandTree }
  /** What `weir dev --separate` starts its services by. */
  | { readonly kind: 'hidden'; readonly run: (words: readonly string[]) => Promise<void> };

/** Commands by name. */
export type CommandTree = Readonly<Record<string, CommandNode>>;

/** The command line is wrong in a way that its declaration cannot say. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
