const UNITS = ['mill.service', 'lock-gate.service', 'fish-ladder.service', 'gauge.timer', 'kernel'];
const USUAL = [
  'level is 212 cm',
  'gate 3 opened by 4 cm',
  'passed 17 fish',
  'reading taken',
  'wheel at 11 turns a minute',
];
const UNUSUAL = [
  'error: gate 3 does not close',
  'warning: level rises by 9 cm an hour',
  'reading failed, next one in 5 s',
];
/** One line in so many is worth a search. */
const UNUSUAL_EVERY = 40;
const START_MS = Date.UTC(2026, 2, 1);

/** A log of a weir that is one: the same lines each time. */
export function* generatedLines(count: number): Generator<string, void, undefined> {
  for (let i = 0; i < count; i++) {
    const messages = i % UNUSUAL_EVERY === UNUSUAL_EVERY - 1 ? UNUSUAL : USUAL;
    const time = new Date(START_MS + i * 1_700).toISOString();
    yield `${time} weir ${UNITS[(i * 7) % UNITS.length]}: ${messages[Math.floor(i / 3) % messages.length]}\n`;
  }
}
