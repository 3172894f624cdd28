import { runCli } from './cli.ts';
import { commands } from './commands.ts';
import { processTerminal } from './terminal.node.ts';

const terminal = processTerminal();
const code = await runCli(process.argv.slice(2), commands, { terminal, environment: process.env });
if (code !== undefined) {
  await terminal.drained();
  process.exit(code);
}
