const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** Takes JSON log lines; for a person it makes "12:30:01 warn broker 1: message" of them. */
export function logLines(forPerson: boolean, write: (line: string) => void): { write(line: string): void } {
  return { write: (line) => write(forPerson ? readable(line) : line) };
}

function readable(line: string): string {
  try {
    const { level, time, service, id, msg, err } = JSON.parse(line) as Record<string, unknown>;
    const cause = typeof err === 'object' && err !== null ? (err as { message?: unknown }).message : undefined;
    const why = typeof cause === 'string' && !String(msg).includes(cause) ? ` (${cause})` : '';
    return `${String(time).slice(11, 19)} ${LEVELS[Number(level)] ?? level} ${service} ${id}: ${msg}${why}\n`;
  } catch {
    return line;
  }
}
