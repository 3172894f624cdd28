import { declareOptions } from '@weir/base/options.ts';
import type { UnavailableLeader, WhyUnavailable } from '@weir/client/administer-brokers.ts';
import { clientOptions, clientShorts } from '../client-options.ts';
import { defineCommand, EXIT, UsageError } from '../command.ts';
import { counted, table } from '../table.ts';
import { refusedInWords, withClient } from '../with-client.ts';

const options = declareOptions({
  topic: { type: 'string', optional: true, placeholder: 'TOPIC', description: 'One topic; without it all of them' },
  unclean: {
    type: 'boolean',
    default: false,
    description: 'Where nobody leads, elect any replica that lives: what it lacks is lost',
  },
  yes: { type: 'boolean', default: false, description: 'Needed with --unclean: what is lost cannot be brought back' },
  ...clientOptions,
});

/** `weir topic elect-leaders` */
export const topicElectLeaders = defineCommand({
  summary: 'bring leadership back to preferred replicas now, or elect whoever is there',
  positionals: [],
  options,
  shorts: clientShorts,
  notes: [
    "A partition's preferred replica is its first. The cluster brings leadership back by itself as well, unless",
    'auto.leader.rebalance.enable is false. Only what is in sync leads.',
    '',
    '--unclean gives up records: it is for partitions that are offline and whose in-sync replicas will not come back.',
    'Acknowledged records that the new leader lacks are lost, and the other replicas cut theirs to match.',
    'weir partition list --offline shows which it would be.',
  ],
  examples: [
    'weir topic elect-leaders',
    'weir topic elect-leaders --topic orders',
    'weir topic elect-leaders --topic orders --unclean --yes',
  ],
  async run({ options: { topic, unclean, yes, ...rest }, terminal }) {
    if (unclean && !yes) {
      const where = topic === undefined ? 'partitions of all topics' : `partitions of ${topic}`;
      throw new UsageError(
        `--yes is missing: ${where} that nobody leads would be led by replicas that may lack acknowledged records, which would be lost for good`,
      );
    }
    return withClient({ ...rest }, async (client) => {
      const result = await refusedInWords(client.electLeaders(topic === undefined ? [] : [topic], { unclean }));
      const { elected, unavailable, unavailableCount } = result;
      if (rest.output === 'json') {
        terminal.out(`${JSON.stringify({ elected, unavailable, unavailableCount })}\n`);
        return EXIT.ok;
      }
      terminal.out(`${counted(elected, 'leader')} elected\n`);
      if (unclean && elected > 0) {
        terminal.err('Acknowledged records that they lack are lost. The log of the active coordinator names each.\n');
      }
      if (unavailableCount > 0) {
        const cannot = unclean ? 'whose replicas are all away' : 'whose preferred replica cannot lead';
        terminal.out(`${counted(unavailableCount, 'partition')} ${cannot}:\n`);
        terminal.out(table(['PARTITION', 'PREFERRED', 'WHY'], unavailable.map(rowOf), terminal));
        if (unavailableCount > unavailable.length) terminal.out('…\n');
      }
      return EXIT.ok;
    });
  },
});

function rowOf({ topic, partition, brokerId, why }: UnavailableLeader): string[] {
  return [`${topic}-${partition}`, `broker ${brokerId}`, WHY[why]];
}

const WHY: Readonly<Record<WhyUnavailable, string>> = {
  away: 'away',
  drains: 'drains',
  starting: 'has only just registered',
  notInSync: 'not in sync',
  unknown: 'for a reason that this version does not know',
};
