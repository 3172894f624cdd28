import type { LogLine } from '../cluster/world.ts';
import type { Parts } from '../parts.ts';
import type { Sometime } from '../sometimes.ts';
import type { BrokerMachine } from './machine.ts';
import type { BrokerSwarm } from './swarm.ts';

/** How lines begin that tell of something to be met. */
const TELLING: readonly (readonly [start: string, what: Sometime])[] = [
  ['the disk is nearly full', 'a broker refused batches for want of room'],
  ['recovered; some replicas', 'a replica was doubtful after a start'],
];

/** What a broker's log says that is worth to be seen, or to be wondered at. */
export function logged(
  machine: BrokerMachine,
  { message, facts }: LogLine,
  { sometimes, ground }: Parts<BrokerSwarm>,
): void {
  ground.trace.note(ground.scheduler.nowMs, `broker ${machine.id} says: ${message}`);
  for (const [start, what] of TELLING) if (message.startsWith(start)) sometimes.saw(what);
  if (message.startsWith('the journal gave back') && Number(facts['restored']) > 0)
    sometimes.saw('the journal gave back what a log had lost');
  if (message.includes(' begins anew')) sometimes.saw('a damaged replica began anew');
  if (!message.includes('is offline on this broker')) return;
  sometimes.saw(whyOffline(message, machine));
  // The replica has saved the others from it, and it is a bug all the same.
  if (message.includes('an invariant does not hold')) ground.violated(`broker ${machine.id}: ${message}`);
}

function whyOffline(message: string, { broker }: BrokerMachine): Sometime {
  if (message.includes('its log cannot be opened')) return 'a start could not open a log';
  if (!message.includes('its log is damaged')) return 'a replica went offline';
  return broker === undefined ? 'a start found damage' : 'a read found damage';
}
